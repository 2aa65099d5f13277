// The page: sources, the stage, and the views that draw from it.

import { Frames } from './frames.js';
import { newestElection, replayOf } from './elections.js';
import { Slowly } from './slowly.js';
import { Stage } from './stage.js';
import { heardBy } from './core/reach.js';
import { Dev } from './net/dev.js';
import { Kv } from './net/kv.js';
import { Live } from './net/live.js';
import { servedBy } from './net/served.js';
import { takeDevToken } from './net/session.js';
import { Banner } from './views/banner.js';
import { byId, setText } from './views/dom.js';
import { Hands } from './views/hands.js';
import { Keys } from './views/keys.js';
import { fillLegend } from './views/legend.js';
import { openLogin } from './views/login.js';
import { MemberCard } from './views/member-card.js';
import { notice, sayLink } from './views/notice.js';
import { Player } from './views/player.js';
import { Ring } from './views/ring.js';
import { Sparks } from './views/sparks.js';
import { Strips } from './views/strips.js';
import { beginTheme } from './views/theme.js';
import { Timeline } from './views/timeline.js';
import { Traces } from './views/traces.js';

// What is read rather than watched is drawn this often.
const SLOW_MS = 250;
// An event that was chosen is shown from a moment before it.
const LEAD_IN_US = 40_000;
const REPLAY_SPEED = 0.1;
// Only a member that was heard so lately is worth listening to.
const HEARD_MS = 1000;
// Whoever has heard no majority for so long is cut off, and not only about to hear it.
const ALONE_MS = 1000;

takeDevToken();
beginTheme();
fillLegend(byId('legend'));

const stage = new Stage();
const frames = new Frames();
let link = { state: 'connecting', name: '', text: 'Connecting …', level: 'wait' };
let hands = null;
let keys_seen = 0;

const live = new Live({
  onEvents: (events, lost) => {
    stage.take(events, lost, performance.now());
    for (const event of events) {
      if (event.kind === 'key') keys.note(event);
      if (event.kind === 'state') learn(event);
    }
    keys_seen += events.length;
  },
  onBegin: () => stage.beginTeller(),
  onState: (state) => {
    link = sayLink(state);
    if (state.state === 'login') openLogin(kv, () => live.retry());
    keys.base = state.state === 'open' ? live.base.url : null;
  },
});
const kv = new Kv(() => live.base?.url ?? null);
const keys = new Keys(kv, { onLogin: () => openLogin(kv, () => {
  live.retry();
  keys.refresh();
}) });
const ring = new Ring(byId('ring'), byId('ring-stage'), {
  onMember: (id, element) => card.open(id, stage.head.model, element),
  onLink: (a, b) => hands?.openLinks(nameIn(a), nameIn(b)),
});
const strips = new Strips(byId('strips'), byId('strips-note'));
const timeline = new Timeline((event) => seek(event.t_us - LEAD_IN_US, { playing: false,
  speed: Math.min(stage.clock.speed, REPLAY_SPEED) }));
const sparks = new Sparks(byId('sparks'));
const banner = new Banner();
const card = new MemberCard(() => (stage.file ? null : hands));
const player = new Player({
  live: () => { stage.goLive(); strips.jump(); },
  toggle: () => toggle(),
  step: (direction) => {
    stage.step(direction);
    strips.jump();
  },
  speed: (speed) => (stage.clock.live
    ? seek(stage.clock.t_us - 1_000_000, { speed, playing: true })
    : stage.clock.replay(stage.clock.t_us, { speed })),
  seek: (t_us) => seek(t_us),
});
const traces = new Traces({
  onTrace: (events, file) => {
    stage.openFile(events, { ...file, alone: live.base === null });
    strips.jump();
  },
  onSave: () => saved(),
});
const dev = new Dev((state) => {
  hands ??= new Hands(byId('hands'), dev, notice);
  hands.show(state);
  ring.linksOpen = true;
  live.learnMembers(state.members);
});

begin();

/** Finds out who serves the page, and so who is to be listened to. */
async function begin() {
  const by = await servedBy();
  const here = { url: location.origin, name: location.host };
  requestAnimationFrame(frame);
  if (by === 'dev' && await dev.begin()) {
    live.setMembers(dev.state.members);
  } else if (by === 'member') {
    live.setMembers([here]);
  } else if (await traces.findTours()) {
    await traces.playFirst();
  } else if (by === 'unknown' && await dev.begin()) {
    live.setMembers(dev.state.members);
  } else if (by !== 'files') {
    live.setMembers([here]);
  }
}

let alone_since_ms = null;

function learn(state) {
  const members = state.members.filter(({ url }) => /^https?:\/\//.test(url ?? ''));
  live.learnMembers(members);
  const heard = heardBy(state);
  if (2 * heard <= state.members.length) {
    alone_since_ms ??= performance.now();
    if (performance.now() - alone_since_ms > ALONE_MS) live.seekCompany(heard);
    return;
  }
  alone_since_ms = null;
  const leads = state.leader !== null && state.leader === state.member;
  const other = members.find(({ id, heard_ms }) => id !== state.member
    && heard_ms !== null && heard_ms < HEARD_MS);
  live.hearAlso(leads && other ? other.url : null);
}

function seek(t_us, how) {
  stage.clock.replay(t_us, how);
  strips.jump();
}

function toggle() {
  const { clock, history } = stage;
  if (clock.live) clock.replay(clock.t_us, { playing: false });
  else if (clock.playing) clock.playing = false;
  else if (clock.t_us >= history.last_us) seek(history.first_us, { playing: true });
  else clock.playing = true;
}

const slowly = new Slowly([
  (model) => banner.draw(model, shownLink(), stage.clock.live, performance.now()),
  (model) => {
    timeline.shown = stage.clock.t_us;
    timeline.draw(model, stage.history, stage.clock.live, stage.clock.t_us);
  },
  () => sparks.draw(stage.history, stage.clock.t_us),
  () => player.draw(stage.clock, stage.history, stage.file),
  (model) => card.draw(model),
  () => keys.tick(performance.now()),
  (model) => drawHeads(model),
], SLOW_MS);

function frame() {
  requestAnimationFrame(frame);
  const began_ms = performance.now();
  const model = stage.advance(began_ms);
  const { clock, history } = stage;
  const extra = clock.live && hands ? hands.known : NOTHING_KNOWN;
  ring.draw(model, history, clock.live ? 1 : clock.speed, extra);
  strips.draw(model, began_ms, clock.live ? 1 : clock.speed);
  slowly.run(began_ms, model);
  frames.note(performance.now() - began_ms);
}

function drawHeads(model) {
  const { clock, history } = stage;
  byId('sparks').hidden = stage.file !== null && history.states.length === 0;
  byId('keys-panel').hidden = stage.file !== null;
  setText(byId('ring-term'), model.term > 0 ? `term ${model.term}` : '');
  setText(byId('lost'), history.lost > 0 ? `${history.lost.toLocaleString('en')} left out` : '');
  showCaption(model.caption);
  const election = clock.live ? newestElection(history, clock.t_us) : null;
  byId('watch-election').hidden = election === null;
}

function shownLink() {
  if (!stage.file) return link;
  return { state: 'file', name: stage.file.title ?? 'a file' };
}

function showCaption(caption) {
  byId('caption').hidden = caption === null;
  if (!caption) return;
  setText(byId('caption-title'), caption.title);
  setText(byId('caption-text'), caption.text);
}

byId('watch-election').addEventListener('click', () => {
  const election = newestElection(stage.history, stage.clock.t_us);
  if (!election) return;
  const { t_us, speed } = replayOf(stage.history, election);
  seek(t_us, { speed, playing: true });
});

byId('caption-back').addEventListener('click', () => goToCaption(-1));
byId('caption-on').addEventListener('click', () => goToCaption(1));

/** Plays on from the next caption, or from the one before. */
function goToCaption(direction) {
  const { history, clock } = stage;
  const captions = history.rare.filter(({ kind }) => kind === 'caption');
  const at = captions.findLastIndex(({ t_us }) => t_us <= clock.t_us);
  const caption = captions[Math.max(0, at + direction)];
  if (caption) seek(caption.t_us, { playing: true });
}

function nameIn(id) {
  return stage.head.model.members.get(id)?.name ?? id;
}

/** What is kept, as lines of a file. */
function* lines() {
  const { history } = stage;
  for (let place = history.first; place < history.end; place += 1) {
    const { level, ...event } = history.at(place);
    yield `${JSON.stringify(event)}\n`;
  }
}

function saved() {
  return [...lines()];
}

const NOTHING_KNOWN = {};

// For whoever measures: browser tests read it.
window.raftkvPage = { frames, stage, get events() { return keys_seen; } };
