// Sentences about the page itself.

import { byId, h } from './dom.js';

const NOTICE_MS = 9000;

/** Says something for a while. */
export function notice(text) {
  const element = byId('notice');
  element.replaceChildren(text, h('button', { type: 'button', class: 'ghost',
    onclick: () => { element.hidden = true; } }, 'Close'));
  element.hidden = false;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => { element.hidden = true; }, NOTICE_MS);
}

/** What the banner says of the stream; no text while the cluster's own health is to be said. */
export function sayLink({ state, name, wait_ms = 0, lost = null }) {
  switch (state) {
    case 'open':
      if (lost) notice(`This page lost ${lost}; it listens to ${name} now.`);
      return { state, name };
    case 'schema':
      return { state, name, level: 'bad', text: 'This page is older than the member. Reload.' };
    case 'login':
      return { state, name, level: 'wait', text: 'This cluster has users: log in to see it.' };
    case 'waiting':
      return { state, name, level: 'bad',
        text: `No member answers. Trying again in ${Math.ceil(wait_ms / 1000)} s.` };
    default:
      return { state, name, level: 'wait',
        text: lost ? `This page lost ${lost}; it asks ${name}.` : `Connecting to ${name} …` };
  }
}
