// What is kept for as long as the tab is open: the user's token, and the dev parent's.

const USER = 'raftkv.user-token';
const DEV = 'raftkv.dev-token';
const memory = new Map();

export const userToken = () => kept(USER);
export const keepUserToken = (token) => keep(USER, token);
export const devToken = () => kept(DEV);

/** Takes the dev parent's token out of the address bar, where it would be seen and copied. */
export function takeDevToken() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return;
  keep(DEV, token);
  history.replaceState(null, '', location.pathname + location.search);
}

/** The token as a WebSocket carries it: there is no header to put it in. */
export function asSubprotocol(token) {
  const bytes = new TextEncoder().encode(token);
  const base64 = btoa(String.fromCharCode(...bytes));
  const url = base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  return `raftkv.token.${url}`;
}

function kept(name) {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return memory.get(name) ?? null;
  }
}

function keep(name, value) {
  memory.set(name, value);
  try {
    sessionStorage.setItem(name, value);
  } catch {
    // Storage may be forbidden; then it lasts until the page is loaded again.
  }
}
