// Where members stand, and the way from one to the other. Lengths are CSS pixels.

const RADIUS_MIN = 33;
const RADIUS_MAX = 56;
// Room around a member: its countdown, and above it the crown, below it a note.
const ROOM_TOP = 36;
const ROOM_BOTTOM = 36;
const ROOM_SIDE = 22;
const ROUND_MAX = 1.5;
const LANE = 6;

/** `{ radius, places: [{ x, y }] }` for so many members on a stage. */
export function ringOf(count, width, height) {
  const radius = Math.max(RADIUS_MIN, Math.min(RADIUS_MAX, width / (count > 5 ? 9.6 : 8)));
  const half_height = Math.max(20, (height - ROOM_TOP - ROOM_BOTTOM) / 2 - radius);
  const half_width = Math.max(20, Math.min(width / 2 - radius - ROOM_SIDE,
    half_height * ROUND_MAX));
  const center = { x: width / 2, y: ROOM_TOP + radius + half_height };
  if (count === 1) return { radius, places: [center] };
  const places = Array.from({ length: count }, (_, i) => {
    const angle = -Math.PI / 2 + (i * 2 * Math.PI) / count;
    return { x: center.x + half_width * Math.cos(angle),
      y: center.y + half_height * Math.sin(angle) };
  });
  return { radius, places: count === 3 ? lowered(places, height, radius) : places };
}

/** Three stand on two rows; so both rows use the whole height. */
function lowered(places, height, radius) {
  const floor = height - ROOM_BOTTOM - radius;
  return [places[0], ...places.slice(1).map(({ x }) => ({ x, y: floor - 6 }))];
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
