/** HoldfastSocket is closed: by `close()` in every state, and by an AbortSignal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastSocket } from '../../src/client/index.ts';
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
  pass(60_000);
  assert.equal(net.sockets.length, 1);
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

test('close() refuses the codes that a page may not send', (t) => {
  const { socket } = harness(t);
  for (const code of [999, 1001, 1006, 2999, 5000]) {
    assert.throws(() => socket.close(code), { name: 'InvalidAccessError' });
  }
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

test('a signal aborted before: never an attempt', async (t) => {
  const { net, details } = harness(t, { signal: AbortSignal.abort() });
  await settle();
  assert.equal(net.sockets.length, 0);
  assert.equal(details('close').length, 1);
});
