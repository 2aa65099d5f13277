// A file of events: one a line, no envelope.

import { checkEvent, MEMBERS_MAX } from './schema.js';

export const TRACE_BYTES_MAX = 64 * 1024 * 1024;
export const TRACE_EVENTS_MAX = 400_000;
const LINE_CHARS_MAX = 65_536;

/**
 * The events of a file, in the order of their times: `{ events, skipped }`, or
 * `{ problem }`, a sentence that says what is wrong and in which line.
 */
export function readTrace(body) {
  const events = [];
  const members = new Set();
  let skipped = 0;
  let line = 0;
  for (const text of lines(body)) {
    line += 1;
    if (text.trim() === '') continue;
    const read = readLine(text);
    if (read.problem) return { problem: `Line ${line} ${read.problem}` };
    if (read.event) events.push(read.event);
    else skipped += 1;
    if (read.event?.member) members.add(read.event.member);
    if (members.size > MEMBERS_MAX) {
      return { problem: `There are more than ${MEMBERS_MAX} members in it.` };
    }
    if (events.length > TRACE_EVENTS_MAX) {
      return { problem: `There are more than ${TRACE_EVENTS_MAX.toLocaleString('en')} events.` };
    }
  }
  if (events.length === 0) return { problem: 'There is no event in it that this page knows.' };
  events.sort((a, b) => a.t_us - b.t_us);
  return { events, skipped };
}

function readLine(text) {
  if (text.length > LINE_CHARS_MAX) return { problem: 'is too long for an event.' };
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    return { problem: 'is no JSON: a file of events has one object a line.' };
  }
  const verdict = checkEvent(event);
  if (verdict === 'bad') return { problem: 'is no event: a field is missing or impossible.' };
  return verdict === 'good' ? { event } : {};
}

function* lines(body) {
  let from = 0;
  while (from < body.length) {
    const end = body.indexOf('\n', from);
    yield body.slice(from, end < 0 ? body.length : end);
    from = end < 0 ? body.length : end + 1;
  }
}
