// Hands on: what the dev parent can do to the cluster as a whole.

import { linkKey } from '../core/reduce.js';
import { h, setText } from './dom.js';
import { button } from './dialog.js';
import { openLinks } from './link-dialog.js';
import { openSplit } from './split-dialog.js';

// What the parent takes at most.
const RATE_MAX = 2000;
const RATE_AT_FIRST = 50;

export class Hands {
  #dev;
  #root;
  #rate = h('input', { type: 'number', min: 1, max: RATE_MAX, value: RATE_AT_FIRST,
    'aria-label': 'Writes a second' });
  #load = button('Write load', () => this.#toggleLoad());
  #known = { crashed: new Set(), paused: new Set(), cutLinks: new Map() };

  /** `onProblem(text)` is told why something was not done. */
  constructor(root, dev, onProblem) {
    this.#root = root;
    this.#dev = dev;
    this.onProblem = onProblem;
    root.append(
      button('Split …', () => openSplit(this.members, (deed) => this.act(deed))),
      button('Links …', () => this.openLinks()),
      button('Heal all', () => this.act({ do: 'heal' })),
      button('Add a member', () => this.act({ do: 'add' })),
      h('span', { class: 'rate' }, this.#load, this.#rate, '/s'));
  }

  /** Names of the dev parent's members. */
  get members() { return this.#dev.state?.members.map(({ name }) => name) ?? []; }

  /** What is known of crashed and paused members (by name) and cut links (by ids). */
  get known() { return this.#known; }

  /** The dev parent's newest word. */
  show(state) {
    this.#root.hidden = false;
    const on = state.load?.on === true;
    this.#load.setAttribute('aria-pressed', on);
    setText(this.#load, on ? 'Stop writing' : 'Write load');
    const idOf = new Map(state.members.map((one) => [one.name, one.id]));
    const links = (state.links ?? []).filter((link) => link.cut || link.drop_percent > 0);
    this.#known = {
      crashed: namesOf(state.members, (one) => one.running === false),
      paused: namesOf(state.members, (one) => one.paused === true),
      cutLinks: new Map(links.map((link) => [linkKey(idOf.get(link.from), idOf.get(link.to)),
        link.cut ? 'down' : 'lossy'])),
    };
  }

  /** Does something, and says if it was refused. */
  async act(deed) {
    const problem = await this.#dev.act(deed);
    if (problem) this.onProblem(problem);
    return problem;
  }

  /** The dialog of links; of one between two members, if they are named. */
  openLinks(from = null, to = null) {
    openLinks(this.#dev.state, from, to, (deed) => this.act(deed));
  }

  #toggleLoad() {
    const on = this.#dev.state?.load?.on !== true;
    this.act({ do: 'load', on, per_second: on ? Number(this.#rate.value) || 1 : 0 });
  }
}

function namesOf(members, wanted) {
  return new Set(members.filter(wanted).map(({ name }) => name));
}
