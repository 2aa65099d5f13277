// Which messages are on their way at a moment, and how far each has come.

/** How long a message is seen to fly, by the watcher's clock, if it does not say itself. */
export const FLIGHT_MS = 420;
export const FLIGHTS_MAX = 160;
// Nothing flies shorter than this by the watcher's clock, whatever it says of itself.
const FLIGHT_MS_MIN = 120;

/** The finest level of messages that is drawn at a speed: see `History`. */
export function levelAt(speed) {
  if (speed >= 1) return 0;
  return speed >= 0.1 ? 1 : 2;
}

/** How long a message is shown on its way, in the cluster's µs. */
export function flightUs(event, speed) {
  if (event.flight_us === undefined) return FLIGHT_MS * 1000 * speed;
  return Math.max(event.flight_us, FLIGHT_MS_MIN * 1000 * speed);
}

/**
 * Fills `flights` with `{ event, progress }` for what flies at `t_us`, newest first, and answers
 * how many there are. The objects are used again.
 */
export function flightsAt(history, t_us, speed, flights) {
  const level = levelAt(speed);
  const longest_us = Math.max(FLIGHT_MS * 1000 * speed, history.flight_us_max);
  let count = 0;
  for (let place = history.placeAfter(t_us) - 1; place >= history.first; place -= 1) {
    const event = history.at(place);
    if (event.t_us < t_us - longest_us || count >= FLIGHTS_MAX) break;
    if (event.kind !== 'message' || event.level > level) continue;
    const progress = (t_us - event.t_us) / flightUs(event, speed);
    if (progress > 1) continue;
    const flight = flights[count] ?? (flights[count] = { event: null, progress: 0 });
    flight.event = event;
    flight.progress = progress;
    count += 1;
  }
  return count;
}
