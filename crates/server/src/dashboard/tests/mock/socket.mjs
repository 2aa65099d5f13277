// A WebSocket server in a few lines: enough to send texts and to see a close (RFC 6455).

import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const OPCODE_TEXT = 0x1;
const OPCODE_CLOSE = 0x8;

/** Answers an upgrade; the object sends texts, and calls `ended` once. */
export function accept(request, socket) {
  const accepted = createHash('sha1')
    .update(request.headers['sec-websocket-key'] + GUID).digest('base64');
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',')[0].trim();
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket',
    'Connection: Upgrade', `Sec-WebSocket-Accept: ${accepted}`];
  if (offered) lines.push(`Sec-WebSocket-Protocol: ${offered}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const peer = { ended: () => {}, send: (text) => socket.write(frame(text)),
    close: () => socket.destroy() };
  socket.on('data', (data) => {
    if ((data[0] & 0xf) === OPCODE_CLOSE) socket.end();
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => peer.ended());
  return peer;
}

function frame(text) {
  const payload = Buffer.from(text);
  const head = [0x80 | OPCODE_TEXT];
  if (payload.length < 126) {
    head.push(payload.length);
  } else if (payload.length < 65_536) {
    head.push(126, payload.length >> 8, payload.length & 0xff);
  } else {
    const size = Buffer.alloc(8);
    size.writeBigUInt64BE(BigInt(payload.length));
    head.push(127, ...size);
  }
  return Buffer.concat([Buffer.from(head), payload]);
}
