/** HoldfastSocket with a gateway: session, counting, resume, reset. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { HoldfastSocket } from '../../src/client/index.ts';
import { harness } from './client-harness.ts';

test('offers holdfast.v1 last, starts on hello, is open on welcome', (t) => {
  const { net, socket, welcome, states, events } = harness(t, { protocols: ['chat', 'chat2'] });
  assert.deepEqual(net.last.offered, ['chat', 'chat2', 'holdfast.v1']);
  assert.equal(socket.readyState, HoldfastSocket.CONNECTING);
  net.last.open('holdfast.v1');
  assert.deepEqual(net.last.sent, []);
  welcome({ protocol: 'chat' });
  assert.deepEqual(net.last.controls, [{ type: 'start', resume: null }]);
  assert.equal(socket.readyState, socket.OPEN);
  assert.equal(socket.protocol, 'chat');
  assert.equal(socket.pipe, 'pipe-1');
  assert.equal(socket.url, 'ws://gateway/ws');
  assert.equal(socket.extensions, '');
  assert.deepEqual(
    states.map(({ state, attempt }) => [state, attempt]),
    [
      ['connecting', 1],
      ['open', 0],
    ],
  );
  assert.deepEqual(events.at(-1), ['open', null]);
});

test('messages sent before welcome wait, in order, and none goes before start', (t) => {
  const { net, socket, welcome } = harness(t);
  assert.equal(socket.send('a'), true);
  net.last.open('holdfast.v1');
  assert.equal(socket.send('b'), true);
  socket.addEventListener('open', () => socket.send('c'));
  welcome();
  assert.deepEqual(net.last.messages, ['a', 'b', 'c']);
  assert.equal(net.last.sent.length, 4);
});

test('what the gateway has not acknowledged is sent again after a resume, with the last token and the count', (t) => {
  const { net, socket, welcome, pass, details } = harness(t);
  welcome();
  for (const text of ['a', 'b', 'c']) socket.send(text);
  net.last.control({ type: 'ack', received: 1 });
  net.last.receive('x');
  net.last.receive('y');
  net.last.cut();
  assert.equal(socket.readyState, socket.OPEN);
  assert.equal(socket.send('d'), true);
  assert.equal(socket.bufferedAmount, 3);
  pass(1_000);
  welcome({ resumed: true, received: 2 });
  assert.deepEqual(net.last.controls, [
    { type: 'start', resume: { pipe: 'pipe-1', token: 'token-1', received: 2, attempt: 1 } },
  ]);
  assert.deepEqual(net.last.messages, ['c', 'd']);
  assert.deepEqual(details('resumed'), [{ resentMessages: 1 }]);
  assert.equal(details('open').length, 1);
  assert.equal(details('close').length, 0);
});

test('a new token at each welcome: the next resume shows the newest, and a higher number', (t) => {
  const { net, welcome, pass } = harness(t);
  welcome();
  for (let round = 2; round < 5; round += 1) {
    net.last.cut();
    pass(500 * 2 ** round);
    welcome({ resumed: true });
    assert.deepEqual(net.last.controls[0], {
      type: 'start',
      resume: { pipe: 'pipe-1', token: `token-${round - 1}`, received: 0, attempt: round - 1 },
    });
  }
});

test('not resumed: reset tells what is known, all that was never acknowledged goes again, and open comes again', (t) => {
  const { net, socket, welcome, pass, events, details } = harness(t);
  welcome();
  for (const text of ['a', 'b', 'c']) socket.send(text);
  net.last.control({ type: 'ack', received: 1 });
  net.last.receive('x');
  pass(100);
  net.last.receive('y');
  net.last.cut();
  socket.send('d');
  pass(1_000);
  const before = events.length;
  welcome({ resumed: false, pipe: 'pipe-2', reason: 'gateway-gone' });
  assert.deepEqual(details('reset'), [
    { reason: 'gateway-gone', keptMessages: 3, maybeTwiceMessages: 2, receivedMessages: 2, unacknowledgedMessages: 1 },
  ]);
  assert.deepEqual(
    events.slice(before).map(([type]) => type),
    ['state', 'reset', 'open'],
  );
  assert.deepEqual(net.last.messages, ['b', 'c', 'd']);
  net.last.control({ type: 'ack', received: 3 });
  assert.equal(socket.bufferedAmount, 0);
  net.last.receive('z');
  net.last.cut();
  pass(5_000);
  net.last.open('holdfast.v1');
  net.last.control({ type: 'hello' });
  assert.deepEqual(net.last.controls, [
    { type: 'start', resume: { pipe: 'pipe-2', token: 'token-2', received: 1, attempt: 2 } },
  ]);
});

test('reset with preventDefault gives up what was kept', (t) => {
  const { net, socket, welcome, pass } = harness(t);
  socket.addEventListener('reset', (event) => {
    event.preventDefault();
    socket.send('hello again');
  });
  welcome();
  socket.send('old');
  net.last.cut();
  pass(1_000);
  welcome({ pipe: 'pipe-2' });
  assert.deepEqual(net.last.messages, []);
  assert.equal(socket.bufferedAmount, 0);
});

test('acknowledges 100 ms after the first message, or at 64 KiB', (t) => {
  const { net, welcome, pass } = harness(t);
  welcome();
  net.last.receive('a');
  pass(50);
  net.last.receive('b');
  assert.equal(net.last.controls.length, 1);
  pass(50);
  assert.deepEqual(net.last.controls.at(-1), { type: 'ack', received: 2 });
  pass(1_000);
  assert.equal(net.last.controls.length, 2);
  net.last.receive(new ArrayBuffer(65_536));
  assert.deepEqual(net.last.controls.at(-1), { type: 'ack', received: 3 });
  net.last.receive(new Blob(['x'.repeat(65_536)]));
  assert.deepEqual(net.last.controls.at(-1), { type: 'ack', received: 4 });
  pass(1_000);
  assert.equal(net.last.controls.length, 4);
});

test('U+001E in texts, both ways', (t) => {
  const { net, socket, welcome, details } = harness(t);
  welcome();
  socket.send('\u001e{"type":"ack","received":9}');
  assert.equal(net.last.sent.at(-1), '\u001e\u001e{"type":"ack","received":9}');
  net.last.receive('\u001e\u001e{"type":"goaway"}');
  net.last.receive('\u001enonsense');
  net.last.control({ type: 'unheard of', a: 1 });
  assert.deepEqual(details('message'), ['\u001e{"type":"goaway"}']);
});

test('binary: buffers are copied when taken, views send their part, blobs are kept as they are', async (t) => {
  const { net, socket, welcome } = harness(t);
  welcome();
  const bytes = new Uint8Array([1, 2, 3, 4]);
  const blob = new Blob(['blob']);
  socket.send(bytes.buffer);
  socket.send(bytes.subarray(1, 3));
  socket.send(new DataView(bytes.buffer, 3));
  socket.send(blob);
  bytes.fill(9);
  const foreign = runInNewContext(
    '[new Uint8Array([5, 6]).buffer, new Uint8Array([7, 8, 9]).subarray(1)]',
  ) as ArrayBuffer[];
  for (const data of foreign) socket.send(data);
  const others = (net.last.messages.slice(4) as ArrayBuffer[]).map((data) => [...new Uint8Array(data)]);
  assert.deepEqual(others, [
    [5, 6],
    [8, 9],
  ]);
  const [whole, view, data, kept] = net.last.messages as [ArrayBuffer, ArrayBuffer, ArrayBuffer, Blob];
  assert.deepEqual([...new Uint8Array(whole)], [1, 2, 3, 4]);
  assert.deepEqual([...new Uint8Array(view)], [2, 3]);
  assert.deepEqual([...new Uint8Array(data)], [4]);
  assert.equal(kept, blob);
  assert.equal(socket.bufferedAmount, 4 + 2 + 1 + 4 + 2 + 2);
});

test('binaryType is that of each connection', (t) => {
  const { net, socket, welcome, pass } = harness(t);
  assert.equal(net.last.binaryType, 'blob');
  socket.binaryType = 'arraybuffer';
  assert.equal(net.last.binaryType, 'arraybuffer');
  welcome();
  net.last.cut();
  pass(1_000);
  assert.equal(net.last.binaryType, 'arraybuffer');
});

test('the gateway says interrupted and restored', (t) => {
  const { net, socket, welcome, details } = harness(t);
  welcome();
  net.last.control({ type: 'interrupted', reason: 'backend 1006' });
  assert.equal(socket.state.state, 'interrupted');
  assert.equal(socket.state.reason, 'backend 1006');
  assert.equal(socket.readyState, socket.OPEN);
  assert.equal(socket.send('a'), true);
  net.last.control({ type: 'restored', gapMs: 41.5, replayed: 3 });
  assert.equal(socket.state.state, 'open');
  assert.deepEqual(details('restored'), [{ gapMs: 41.5, replayed: 3 }]);
});

test('a connection given up with a session on it is closed only when the session has moved on', (t) => {
  const { net, welcome, pass, sleep } = harness(t);
  welcome();
  const [first] = net.sockets;
  sleep(600_000);
  pass(5_000);
  pass(1_000);
  assert.equal(net.sockets.length, 2);
  assert.equal(first?.closedWith, null, 'a Close would end the session');
  net.last.open('holdfast.v1');
  first?.receive('late');
  assert.equal(first?.closedWith, null);
  welcome({ resumed: true });
  assert.deepEqual(first?.closedWith, { code: undefined, reason: undefined });
});

test('no welcome in time for a resume: a Close would end the session', (t) => {
  const { net, welcome, pass } = harness(t);
  welcome();
  net.last.cut();
  pass(1_000);
  net.last.open('holdfast.v1');
  net.last.control({ type: 'hello' });
  const second = net.last;
  pass(15_000);
  assert.notEqual(net.last, second);
  assert.equal(second.closedWith, null);
});

test('a WebSocket that throws at a message: it is not counted as sent, and order is kept', (t) => {
  const { net, socket, welcome } = harness(t);
  welcome();
  const last = net.last as { send(data: unknown): void };
  const { send } = last;
  last.send = () => {
    throw new TypeError('not now');
  };
  assert.throws(() => socket.send('a'), TypeError);
  last.send = send;
  socket.send('b');
  assert.deepEqual(net.last.messages, ['a', 'b']);
});

test('handlers and listeners: on... is called with this, a handler that is taken away is silent', (t) => {
  const { net, socket, welcome } = harness(t);
  const seen: unknown[] = [];
  socket.onmessage = function (this: unknown, { data, origin }) {
    seen.push(this === socket, data, origin);
  };
  welcome();
  net.last.receive('a');
  socket.onmessage = null;
  net.last.receive('b');
  assert.deepEqual(seen, [true, 'a', 'ws://memory']);
});
