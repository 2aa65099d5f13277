// A cluster that is played, behind the doors of a real one: to look at the page, and to test it,
// without building anything.
//
//     node mock.mjs --port 22000 --members 3 --rate 5 [--auth] [--long] [--schema 1]
//
// The first port is the dev parent's (open it with #token=mock), the next ones are the members'.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { answerDev, answerMember } from './mock/api.mjs';
import { Cluster } from './mock/cluster.mjs';
import { accept } from './mock/socket.mjs';

const ASSETS = fileURLToPath(new URL('../assets', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml', '.json': 'application/json' };
const STEP_MS = 4;
const ENVELOPE_MS = 100;
const EVENTS_MAX = 512;
const STATE_MS = 250;

const { values } = parseArgs({ options: {
  port: { type: 'string', default: '22000' }, members: { type: 'string', default: '3' },
  rate: { type: 'string', default: '5' }, auth: { type: 'boolean', default: false },
  long: { type: 'boolean', default: false }, schema: { type: 'string', default: '1' },
  host: { type: 'string', default: 'localhost' },
} });
const options = { port: Number(values.port), auth: values.auth, schema: Number(values.schema),
  began: new Date().toISOString() };
const readers = new Set();
const long = (i) => `member-in-a-datacenter-${String(i).padStart(17, '0')}`;
const cluster = new Cluster({ count: Number(values.members), rate: Number(values.rate),
  names: values.long ? long : (i) => `node-${i}`,
  url: (i) => `http://${values.host}:${options.port + i}`,
  tell: (event) => readers.forEach((reader) => reader.events.push(event)) });
const servers = new Map();

fillKeys();
listen(options.port, null);
setInterval(() => {
  cluster.step(STEP_MS);
  for (const member of cluster.members) follow(member);
}, STEP_MS);
setInterval(() => readers.forEach(send), ENVELOPE_MS);
setInterval(() => readers.forEach((reader) => reader.member.paused
  || reader.events.push(cluster.state(reader.member))), STATE_MS);
console.log(`dev: http://${values.host}:${options.port}/#token=mock`);

/** Opens a member's port while it runs, and closes it when it does not. */
function follow(member) {
  const open = servers.get(member);
  if (member.running && !open) {
    servers.set(member, listen(Number(new URL(member.url).port), member));
  } else if (!member.running && open) {
    open.close();
    open.closeAllConnections();
    for (const reader of readers) if (reader.member === member) reader.peer.close();
    servers.delete(member);
  }
}

function listen(port, member) {
  const server = createServer((request, response) => serve(request, response, member)
    .catch((error) => reply(response, 500, { error: 'broken', message: String(error) })));
  server.on('upgrade', (request, socket) => {
    if (!member || (options.auth && !/raftkv\.token\./.test(
      request.headers['sec-websocket-protocol'] ?? ''))) return socket.destroy();
    return read(accept(request, socket), member);
  });
  return server.listen(port, '127.0.0.1');
}

async function serve(request, response, member) {
  const url = new URL(request.url, 'http://localhost');
  const origin = request.headers.origin;
  if (origin) {
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Allow-Headers', '*, Authorization');
    response.setHeader('Access-Control-Allow-Methods', '*');
  }
  if (request.method === 'OPTIONS') return response.writeHead(204).end();
  if (member && url.pathname === '/page/served.json') {
    return reply(response, 200, { by: 'member' });
  }
  const answer = member ? await answerMember(cluster, options, request, url)
    : await answerDev(cluster, request, url);
  if (answer) return reply(response, ...answer);
  return serveFile(response, url.pathname);
}

function reply(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

async function serveFile(response, path) {
  const file = normalize(path === '/' ? 'index.html' : path.slice(1));
  const type = TYPES[extname(file)];
  const body = type && !file.startsWith('..')
    ? await readFile(join(ASSETS, file)).catch(() => null) : null;
  if (!body) return reply(response, 404, { error: 'unknown_path', message: 'nothing here' });
  response.writeHead(200, { 'Content-Type': type, 'Content-Security-Policy': policy() });
  return response.end(body);
}

function policy() {
  const members = cluster.members.flatMap(({ url }) => [url, url.replace('http', 'ws')]);
  return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    + `connect-src 'self' ${members.join(' ')}; base-uri 'none'; form-action 'none'; `
    + "frame-ancestors 'none'";
}

function read(peer, member) {
  const reader = { peer, member, events: [], lost: 0 };
  reader.events.push({ kind: 'hello', t_us: Date.now() * 1000, member: member.id,
    name: member.name, cluster_id: '5eed', version: '0.0.0', auth: options.auth, user: null });
  reader.events.push(cluster.state(member));
  readers.add(reader);
  peer.ended = () => readers.delete(reader);
}

function send(reader) {
  if (reader.events.length === 0) return;
  const lost = Math.max(0, reader.events.length - EVENTS_MAX);
  const events = reader.events.splice(0).slice(lost).sort((a, b) => a.t_us - b.t_us);
  reader.peer.send(JSON.stringify({ schema: options.schema, lost, events }));
}

function fillKeys() {
  const put = (key, value, ttl) => cluster.keys.put(key, value, { ttl });
  put('config/db.host', 'postgres.internal');
  put('config/db.port', '5432');
  put('config/feature.flags', '{"dark_mode":true,"beta":["search","export"]}');
  put('html', '<img src=x onerror=alert(1)><b>bold</b>');
  put('binary', Buffer.from([0, 159, 146, 150, 255, 1, 2, 3]));
  put('large', 'x'.repeat(1024 * 1024));
  put('session/4711', 'Ada', 45);
  put('session/4712', 'Grace', 600);
  put('a-key-of-forty-characters/0123456789abcd', 'forty characters');
  for (let i = 1; i <= 130; i += 1) put(`user/${String(i).padStart(3, '0')}`, `user ${i}`);
  put('user/001', 'Ada Lovelace');
  put('user/001', 'Ada, Countess of Lovelace');
}
