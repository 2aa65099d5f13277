// Each kind of message has a shape and a colour of its own: either alone tells it.

const SHAPES = {
  beat: { d: circle(3.6), class: 'fly beat', says: 'heartbeat' },
  append: { d: 'M-5-5H5V5H-5Z', class: 'fly solid append', says: 'entries' },
  answer: { d: 'M-5 0-1.5 4 5-4.5', class: 'fly line answer', says: 'on disk' },
  mismatch: { d: 'M-4-4 4 4M4-4-4 4', class: 'fly line no', says: 'no match, or a refused vote' },
  prevote: { d: 'M0-6 6 5H-6Z', class: 'fly prevote', says: 'would you vote for me?' },
  vote: { d: 'M0-7.5 7.5 6H-7.5Z', class: 'fly solid vote', says: 'vote for me' },
  yes: { d: 'M0-7 7 0 0 7-7 0Z', class: 'fly solid yes', says: 'a vote' },
  snapshot: { d: 'M-9 0-4.5-8h9L9 0 4.5 8h-9Z', class: 'fly solid snapshot', says: 'snapshot' },
  now: { d: 'M2-9-6 2h5l-2 7 8-11H0Z', class: 'fly solid now', says: 'campaign now' },
  read: { d: 'M0-5V5M-5 0H5', class: 'fly line read', says: 'a read asks' },
  forward: { d: 'M-4-5 3 0-4 5', class: 'fly line forward', says: 'a request goes on' },
  other: { d: circle(2.5), class: 'fly other', says: 'something else' },
};

const OF_MESSAGE = {
  heartbeat: SHAPES.beat, append: SHAPES.append,
  pre_vote: SHAPES.prevote, vote: SHAPES.vote, snapshot: SHAPES.snapshot,
  timeout_now: SHAPES.now, snapshot_answer: SHAPES.answer,
  read_index: SHAPES.read, read_index_answer: SHAPES.read,
  forward: SHAPES.forward, forward_answer: SHAPES.forward,
};

/** The shape of a message. */
export function shapeOf(event) {
  if (event.what === 'append_answer') {
    const refused = event.rejected !== undefined && event.rejected !== null;
    return refused ? SHAPES.mismatch : SHAPES.answer;
  }
  if (event.what === 'vote_answer' || event.what === 'pre_vote_answer') {
    return event.granted ? SHAPES.yes : SHAPES.mismatch;
  }
  return OF_MESSAGE[event.what] ?? SHAPES.other;
}

/** Whether its shape points where it goes. */
export function isTurned(shape) {
  return shape === SHAPES.forward;
}

/** All shapes, for the legend. */
export const ALL_SHAPES = Object.values(SHAPES);

/** A leader's crown, 22 wide, standing on its origin. */
export const CROWN = 'M-11-13-6.5-6 0-15 6.5-6 11-13 9 0H-9Z';

function circle(r) {
  return `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
}
