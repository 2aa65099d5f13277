// Files of events: dropped, chosen, or of the guided tour that lies beside the page.

import { readTrace, TRACE_BYTES_MAX } from '../core/tracefile.js';
import { byId, h, setText } from './dom.js';
import { actions, button, openDialog } from './dialog.js';

const INDEX = 'traces/index.json';
const TOURS_MAX = 50;

export class Traces {
  #tours = [];

  /** `onTrace(events, { title })`; `onSave()` answers what the page holds now, as such a file. */
  constructor({ onTrace, onSave }) {
    this.onTrace = onTrace;
    this.onSave = onSave;
    byId('open-traces').addEventListener('click', () => this.open());
    const hint = byId('drop-hint');
    addEventListener('dragover', (event) => {
      if (!event.dataTransfer?.types.includes('Files')) return;
      event.preventDefault();
      hint.hidden = false;
    });
    addEventListener('dragleave', (event) => { if (!event.relatedTarget) hint.hidden = true; });
    addEventListener('drop', (event) => {
      hint.hidden = true;
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      this.#play(file);
    });
  }

  /** Looks for a tour beside the page; answers whether there is one. */
  async findTours() {
    try {
      const answer = await fetch(INDEX);
      const tours = await answer.json();
      const list = Array.isArray(tours) ? tours : tours.traces;
      this.#tours = list.filter(({ file, title }) => typeof title === 'string'
        && /^[\w.-]+$/.test(file ?? '')).slice(0, TOURS_MAX);
    } catch {
      this.#tours = [];
    }
    return this.#tours.length > 0;
  }

  open() {
    openDialog('Traces', (close) => {
      const problem = h('p', { class: 'problem', role: 'alert' });
      const play = async (source) => {
        const refused = await source();
        if (refused) setText(problem, refused);
        else close();
      };
      const chosen = h('input', { type: 'file', accept: '.jsonl,.ndjson,.json,.txt',
        'aria-label': 'A file of events',
        onchange: () => play(() => this.#read(chosen.files[0])) });
      const tours = this.#tours.map((tour) => h('button', { type: 'button',
        onclick: () => play(() => this.#fetch(tour)) }, tour.title,
      tour.text ? h('small', {}, String(tour.text)) : ''));
      return [h('p', {}, 'A file of events, one a line, plays on this page: '
        + 'of the simulator (sim --trace), or what was saved here.'),
      h('div', { class: 'tour' }, ...tours), chosen, problem,
      actions(button('Save the last minute', () => this.#save(), 'ghost'),
        button('Close', close, 'ghost'))];
    });
  }

  /** Plays the first of the tour: there is nothing else to see where nobody is listened to. */
  playFirst() { return this.#fetch(this.#tours[0]); }

  async #play(file) {
    const refused = await this.#read(file);
    if (refused) {
      openDialog('This file does not play', (close) => [h('p', { role: 'alert' }, refused),
        actions(button('Close', close))]);
    }
  }

  async #read(file) {
    if (file.size > TRACE_BYTES_MAX) {
      return `It is larger than ${TRACE_BYTES_MAX / 1024 / 1024} MiB.`;
    }
    return this.#take(await file.text(), file.name);
  }

  async #fetch({ file, title }) {
    try {
      const answer = await fetch(`traces/${file}`);
      if (!answer.ok) return `${file} is not there.`;
      return this.#take(await answer.text(), title);
    } catch {
      return `${file} can not be fetched.`;
    }
  }

  #take(body, title) {
    const trace = readTrace(body);
    if (trace.problem) return trace.problem;
    this.onTrace(trace.events, { title: trace.events[0].title ?? title, skipped: trace.skipped });
    return null;
  }

  #save() {
    const blob = new Blob(this.onSave(), { type: 'application/x-ndjson' });
    const link = h('a', { href: URL.createObjectURL(blob), download: 'raftkv-events.jsonl' });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }
}
