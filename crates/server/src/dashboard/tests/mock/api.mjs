// The doors of a played member: /kv, /history, /auth, /cluster/status; and of the dev parent.

/** Answers a request of a member's API, or says that it is none. */
export async function answerMember(cluster, options, request, url) {
  if (url.pathname === '/auth') {
    return options.auth && !authorized(request)
      ? refusal(401, 'unauthenticated', 'this needs a user') : [200, { enabled: options.auth }];
  }
  if (url.pathname === '/auth/login') return login(JSON.parse(await bodyOf(request)));
  if (url.pathname === '/cluster/status') {
    return [200, { history: { oldest_revision: 1, oldest_time: options.began } }];
  }
  if (!/^\/(kv|history)/.test(url.pathname)) return null;
  if (options.auth && !authorized(request)) {
    return refusal(401, 'unauthenticated', 'this needs a user');
  }
  if (url.pathname === '/kv') return list(cluster, url.searchParams);
  const key = decodeURIComponent(url.pathname.replace(/^\/(kv|history)\//, ''));
  if (url.pathname.startsWith('/history/')) return [200, cluster.keys.history(key)];
  if (url.pathname.startsWith('/kv/')) return oneKey(cluster, key, request, url.searchParams);
  return null;
}

/** What `dev/do` is asked to do, done. */
export async function answerDev(cluster, request, url) {
  if (url.pathname === '/dev/state') return [200, devState(cluster)];
  if (url.pathname !== '/dev/do') return null;
  if (request.headers['raftkv-dev-token'] !== 'mock') {
    return refusal(403, 'forbidden', 'the token is not this parent\'s');
  }
  const asked = JSON.parse(await bodyOf(request));
  DEEDS[asked.do]?.(cluster, asked);
  return [200, devState(cluster)];
}

function devState(cluster) {
  const links = [...cluster.cut].map((key) => {
    const [from, to] = key.split('>').map((id) => cluster.members.find((m) => m.id === id).name);
    return { from, to, cut: true, drop_percent: 0, delay_ms: 0 };
  });
  return { members: cluster.members.map(({ id, name, url, running, paused }) =>
    ({ id, name, url, running, paused })), links,
  load: { on: cluster.rate > 0, per_second: cluster.rate } };
}

const DEEDS = {
  crash: (cluster, { member }) => cluster.setRunning(cluster.find(member), false),
  restart: (cluster, { member }) => cluster.setRunning(cluster.find(member), true),
  pause: (cluster, { member }) => { cluster.find(member).paused = true; },
  resume: (cluster, { member }) => { cluster.find(member).paused = false; },
  isolate: (cluster, { member }) => {
    const one = cluster.find(member);
    cluster.members.filter((m) => m !== one).forEach((m) => cluster.setCut(one, m, true));
  },
  split: (cluster, { groups }) => {
    const group = (one) => groups.findIndex((names) => names.includes(one.name));
    for (const a of cluster.members) {
      for (const b of cluster.members) if (group(a) !== group(b)) cluster.setCut(a, b, true);
    }
  },
  link: (cluster, { from, to, cut }) =>
    cluster.setCut(cluster.find(from), cluster.find(to), cut === true),
  heal: (cluster) => {
    for (const a of cluster.members) {
      for (const b of cluster.members) if (a !== b) cluster.setCut(a, b, false);
    }
  },
  add: (cluster) => { cluster.add(); },
  remove: (cluster, { member }) => {
    cluster.members.splice(cluster.members.indexOf(cluster.find(member)), 1);
  },
  load: (cluster, { on, per_second }) => { cluster.rate = on ? per_second || 20 : 0; },
};

function list(cluster, parameters) {
  const at = parameters.get('at');
  return [200, cluster.keys.list({ prefix: parameters.get('prefix') ?? '',
    after: parameters.get('after') ?? '', limit: Number(parameters.get('limit') ?? 100),
    ...(at ? { at: Number(at) / 1000 } : {}) })];
}

async function oneKey(cluster, key, request, parameters) {
  const at = parameters.get('at');
  const shown = cluster.keys.shown(key, at ? Number(at) / 1000 : Date.now());
  if (request.method === 'GET') {
    return shown ? [200, shown] : refusal(404, 'not_found', 'there is no such key');
  }
  const match = request.headers['if-match']?.replaceAll('"', '');
  const fails = (match && match !== String(shown?.mod_revision ?? 0))
    || (request.headers['if-none-match'] === '*' && shown);
  if (fails) {
    return [412, { error: 'condition_failed', message: 'the key is another now', current: shown }];
  }
  if (request.method === 'DELETE') {
    const deleted = cluster.delete(key) ? 1 : 0;
    return [200, { status: 'committed', key, deleted, revision: cluster.keys.revision }];
  }
  const { value, value_base64, ttl } = JSON.parse(await bodyOf(request));
  cluster.put(key, value ?? Buffer.from(value_base64, 'base64'), { ttl });
  return [200, { status: 'committed', key, revision: cluster.keys.revision }];
}

function authorized(request) {
  return request.headers.authorization === 'Bearer token-of-root'
    || (request.headers['sec-websocket-protocol'] ?? '').includes('raftkv.token.');
}

function login({ user, password }) {
  return user === 'root' && password === 'root' ? [200, { token: 'token-of-root' }]
    : refusal(401, 'unauthenticated', 'there is no such user with this password');
}

const refusal = (status, error, message) => [status, { error, message }];

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
