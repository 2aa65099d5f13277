// Dark or light: as the system has it, until the button says otherwise.

import { byId, svg } from './dom.js';

const KEY = 'raftkv.theme';
const SUN = 'M8 4.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM7.3 0h1.4v2.6H7.3zM7.3 13.4h1.4V16H7.3z'
  + 'M0 7.3h2.6v1.4H0zM13.4 7.3H16v1.4h-2.6zM2.8 1.8l1.9 1.9-1 1-1.9-1.9zM12.3 11.3l1.9 1.9-1 1'
  + '-1.9-1.9zM13.2 1.8l1 1-1.9 1.9-1-1zM3.7 11.3l1 1-1.9 1.9-1-1z';
const MOON = 'M6 1.2A6.9 6.9 0 1 0 14.8 10 5.6 5.6 0 0 1 6 1.2z';

const system = matchMedia('(prefers-color-scheme: light)');

/** Takes over the button, and what was chosen before. */
export function beginTheme() {
  let chosen = read();
  const show = () => {
    const theme = chosen ?? (system.matches ? 'light' : 'dark');
    document.documentElement.dataset.theme = theme;
    byId('theme').replaceChildren(svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': true },
      svg('path', { d: theme === 'light' ? MOON : SUN })));
    byId('theme').title = theme === 'light' ? 'Dark' : 'Light';
  };
  byId('theme').addEventListener('click', () => {
    chosen = document.documentElement.dataset.theme === 'light' ? 'dark' : 'light';
    write(chosen);
    show();
  });
  system.addEventListener('change', show);
  show();
}

function read() {
  try {
    const theme = localStorage.getItem(KEY);
    return theme === 'light' || theme === 'dark' ? theme : null;
  } catch {
    return null;
  }
}

function write(theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage may be forbidden; then the choice lasts until the page is loaded again.
  }
}
