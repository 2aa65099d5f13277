// Where members stand, and the way from one to the other. Lengths are CSS pixels.

const RADIUS_MIN = 31;
const RADIUS_MAX = 58;
// Room around a member: its countdown, and above it the crown, below it a note.
const ROOM_TOP = 36;
const ROOM_BOTTOM = 34;
const ROOM_SIDE = 24;
// Between the edges of neighbours: a note, and messages that can be seen to fly.
const APART = 46;
// A ring is at most so much wider than high.
const ROUND_MAX = 1.9;
const LANE = 6;

/** `{ radius, places: [{ x, y }] }` for so many members on a stage. */
export function ringOf(count, width, height) {
  let radius = RADIUS_MAX;
  let places = placesOf(count, width, height, radius);
  while (radius > RADIUS_MIN && nearest(places) < 2 * radius + APART) {
    radius -= 1;
    places = placesOf(count, width, height, radius);
  }
  return { radius, places };
}

function placesOf(count, width, height, radius) {
  const half_height = Math.max(20, (height - ROOM_TOP - ROOM_BOTTOM) / 2 - radius);
  const half_width = Math.max(20, Math.min(width / 2 - radius - ROOM_SIDE,
    half_height * ROUND_MAX));
  const center = { x: width / 2, y: ROOM_TOP + radius + half_height };
  if (count === 1) return [center];
  const places = Array.from({ length: count }, (_, i) => {
    const angle = -Math.PI / 2 + (i * 2 * Math.PI) / count;
    return { x: center.x + half_width * Math.cos(angle),
      y: center.y + half_height * Math.sin(angle) };
  });
  return stretched(places, center.y - half_height, center.y + half_height);
}

/** An odd ring does not reach down as far as up: it is stretched to the whole height. */
function stretched(places, top, bottom) {
  const lowest = Math.max(...places.map(({ y }) => y));
  const scale = (bottom - top) / Math.max(1, lowest - top);
  return places.map(({ x, y }) => ({ x, y: top + (y - top) * scale }));
}

function nearest(places) {
  let found = Infinity;
  places.forEach((a, i) => places.slice(i + 1).forEach((b) => {
    found = Math.min(found, Math.hypot(a.x - b.x, a.y - b.y));
  }));
  return found;
}

/** The way from `a` to `b`, between their edges and a little to its right. */
export function lane(a, b, radius) {
  const dx = b.x - a.x;
  const dy = b.y - a.y;
  const length = Math.hypot(dx, dy) || 1;
  const ux = dx / length;
  const uy = dy / length;
  const edge = radius + 9;
  return {
    x1: a.x + ux * edge - uy * LANE, y1: a.y + uy * edge + ux * LANE,
    x2: b.x - ux * edge - uy * LANE, y2: b.y - uy * edge + ux * LANE,
    angle: (Math.atan2(dy, dx) * 180) / Math.PI,
  };
}
