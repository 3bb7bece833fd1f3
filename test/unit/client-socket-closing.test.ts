/** HoldfastSocket is closed: by `close()` in every state, and by an AbortSignal. */
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { HoldfastSocket, type WebSocketConstructor } from '../../src/client/index.ts';
import { harness, settle } from './client-harness.ts';

test('close() ends the session with the given code', (t) => {
  const { net, socket, welcome, pass, details } = harness(t);
  welcome();
  socket.close(4000, 'bye');
  assert.equal(socket.readyState, HoldfastSocket.CLOSING);
  assert.equal(socket.send('a'), false);
  socket.close();
  assert.deepEqual(net.last.closedWith, { code: 4000, reason: 'bye' });
  net.last.end(4000, 'bye');
  assert.equal(socket.readyState, HoldfastSocket.CLOSED);
  assert.deepEqual(details('close'), [{ code: 4000, reason: 'bye', wasClean: true }]);
  assert.equal(socket.state.own, true);
  pass(60_000);
  assert.equal(net.sockets.length, 1);
});

test('the state says whether the end was ours: not after a Close of the server, and not after reconnect()', async (t) => {
  const { net, socket, welcome } = harness(t);
  welcome();
  net.last.end(4000, 'bye');
  assert.deepEqual([socket.state.state, socket.state.own], ['closed', false]);
  socket.reconnect();
  socket.close();
  await settle();
  assert.deepEqual([socket.state.state, socket.state.own], ['closed', true]);
  socket.reconnect();
  assert.deepEqual([socket.state.state, socket.state.own], ['connecting', false]);
});

test('close() of what is lost meanwhile, or not there yet, ends it too', async (t) => {
  const { net, socket, welcome, pass, details } = harness(t);
  welcome();
  net.last.cut();
  socket.close();
  assert.equal(details('close').length, 0, 'never inside the call');
  await settle();
  assert.deepEqual(details('close'), [{ code: 1006, reason: '', wasClean: false }]);
  pass(60_000);
  assert.equal(net.sockets.length, 1);
});

test('close() while it connects closes the attempt', async (t) => {
  const { net, socket, details } = harness(t);
  socket.close();
  await settle();
  assert.ok(net.last.closedWith);
  assert.equal(details('close').length, 1);
  assert.equal(socket.state.state, 'closed');
});

for (const type of ['state', 'resumed', 'reset'] as const) {
  test(`close() in a listener of ${type}, at the welcome: with its code and reason`, (t) => {
    const { net, socket, welcome, pass, details, count } = harness(t);
    if (type !== 'state') {
      welcome();
      net.last.cut();
      pass(1_000);
    }
    socket.addEventListener(type, () => socket.state.state === 'open' && socket.close(4001, 'bye'));
    const before = count('open');
    welcome({ resumed: type === 'resumed' });
    assert.deepEqual(net.last.closedWith, { code: 4001, reason: 'bye' });
    net.last.end(4001, 'bye');
    assert.deepEqual(details('close'), [{ code: 4001, reason: 'bye', wasClean: true }]);
    assert.equal(count('open'), before);
  });
}

test('after close() no message comes, whatever is on its way', (t) => {
  const { net, socket, welcome, details } = harness(t);
  welcome();
  socket.close();
  net.last.readyState = 1;
  net.last.receive('late');
  assert.deepEqual(details('message'), []);
});

test('close() refuses the codes that a page may not send', (t) => {
  const { socket } = harness(t);
  for (const code of [999, 1001, 1006, 2999, 5000]) {
    assert.throws(() => socket.close(code), { name: 'InvalidAccessError' });
  }
});

test('close() refuses a reason of more than 123 bytes, and the socket goes on: it can still be closed', (t) => {
  const { net, socket, welcome, details } = harness(t);
  welcome();
  for (const reason of ['x'.repeat(124), 'ü'.repeat(62)]) {
    assert.throws(() => socket.close(4000, reason), { name: 'SyntaxError' });
  }
  assert.equal(socket.readyState, socket.OPEN);
  const longest = `${'ü'.repeat(61)}x`;
  socket.close(4000, longest);
  net.last.end(4000, longest);
  assert.deepEqual(details('close'), [{ code: 4000, reason: longest, wasClean: true }]);
});

test('an AbortSignal closes it with 1000, and no reconnect() opens it again', async (t) => {
  const controller = new AbortController();
  const { net, socket, welcome } = harness(t, { signal: controller.signal });
  welcome();
  controller.abort();
  assert.deepEqual(net.last.closedWith, { code: 1000, reason: undefined });
  net.last.end(1000);
  socket.reconnect();
  assert.equal(socket.state.state, 'closed');
});

test('a constructor that throws leaves no listener at the signal', (t) => {
  const { signal } = new AbortController();
  const throwing = class {
    constructor() {
      throw new DOMException('not a url', 'SyntaxError');
    }
  } as unknown as WebSocketConstructor;
  assert.throws(() => harness(t, { WebSocket: throwing, signal }), { name: 'SyntaxError' });
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a signal aborted before: never an attempt', async (t) => {
  const { net, details } = harness(t, { signal: AbortSignal.abort() });
  await settle();
  assert.equal(net.sockets.length, 0);
  assert.equal(details('close').length, 1);
});
