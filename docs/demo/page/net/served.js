// Who serves this page: a member, the parent of `raftkv dev`, or nobody but a file server.

import { devToken } from './session.js';

/** `'member'`, `'dev'`, `'files'`, or `'unknown'`: then the page finds out by asking. */
export async function servedBy() {
  if (devToken() !== null) return 'dev';
  try {
    const answer = await fetch('page/served.json');
    const { by } = await answer.json();
    return ['member', 'dev', 'files'].includes(by) ? by : 'unknown';
  } catch {
    return 'unknown';
  }
}
