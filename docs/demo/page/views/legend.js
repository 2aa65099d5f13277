// What the flying shapes are.

import { ALL_SHAPES } from './shapes.js';
import { h, svg } from './dom.js';

const ROOMY = '(min-width: 1001px)';

/** Fills the list; where there is room it is open at first. */
export function fillLegend(root) {
  root.closest('details').open = matchMedia(ROOMY).matches;
  root.append(...ALL_SHAPES.map((shape) => h('li', {},
    svg('svg', { viewBox: '-10 -10 20 20', 'aria-hidden': true },
      svg('path', { d: shape.d, class: shape.class })), shape.says)));
}
