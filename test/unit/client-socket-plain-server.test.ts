/** HoldfastSocket at a server that is no gateway, and at a gateway so slow that it seems to be none. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { harness } from './client-harness.ts';
import type { MemorySocket } from './client-memory-wire.ts';

/** It had a session, lost its connection, and its next one is open. */
function comingBack(t: TestContext) {
  const all = harness(t);
  all.welcome();
  all.socket.send('a');
  all.net.last.cut();
  all.pass(1_000);
  all.net.last.open('holdfast.v1');
  return all;
}

test('a server that chooses another subprotocol is used as it is', (t) => {
  const { net, socket, pass, count, details } = harness(t, { protocols: ['chat'] });
  socket.send('a');
  net.last.open('chat');
  assert.deepEqual([socket.state.state, socket.protocol, count('open')], ['open', 'chat', 1]);
  assert.deepEqual(net.last.sent, ['a']);
  assert.equal(socket.bufferedAmount, 0);
  net.last.receive('\u001e\u001eraw');
  socket.send('\u001eraw');
  pass(120_000);
  assert.deepEqual(net.last.sent, ['a', '\u001eraw']);
  assert.deepEqual(details('message'), ['\u001e\u001eraw']);
  net.last.end(1006);
  socket.send('b');
  pass(1_000);
  net.last.open('chat');
  assert.deepEqual(net.last.sent, ['b']);
  assert.deepEqual([count('open'), count('reset')], [2, 1]);
});

test('holdfast.v1 chosen but no hello within the deadline: no gateway', (t) => {
  const { net, socket, pass } = harness(t);
  socket.send('a');
  net.last.open('holdfast.v1');
  pass(4_990);
  assert.deepEqual(net.last.sent, []);
  pass(10);
  assert.deepEqual(net.last.sent, ['a']);
  assert.equal(socket.protocol, '');
});

test('holdfast.v1 chosen and another message first: no gateway', (t) => {
  const { net, socket, details } = harness(t);
  net.last.open('holdfast.v1');
  net.last.receive('welcome to the chat');
  assert.equal(socket.state.state, 'open');
  assert.deepEqual(details('message'), ['welcome to the chat']);
});

for (const [sign, told] of [
  ['a hello after the deadline', (socket: MemorySocket) => socket.control({ type: 'hello' })],
  ['4400 to what was taken for a plain server', (socket: MemorySocket) => socket.end(4400)],
] as const) {
  test(`${sign}: it was a slow gateway, so begin again, with all that was taken`, (t) => {
    const { net, socket, welcome, pass } = harness(t);
    socket.send('early');
    net.last.open('holdfast.v1');
    pass(5_000);
    socket.send('too early');
    assert.deepEqual(net.last.sent, ['early', 'too early']);
    assert.equal(socket.bufferedAmount, 0, 'nothing waits to be sent');
    told(net.last);
    assert.deepEqual([socket.state.state, socket.state.reason], ['reconnecting', 'timeout']);
    assert.equal(socket.bufferedAmount, 14);
    pass(2_000);
    welcome();
    assert.deepEqual([socket.state.state, socket.pipe], ['open', 'pipe-1']);
    assert.deepEqual(net.last.messages, ['early', 'too early']);
  });
}

test('no gateway, once it has said something: 4400 is its own, and the end', (t) => {
  const { net, socket, pass, details } = harness(t);
  net.last.open('holdfast.v1');
  pass(5_000);
  net.last.receive('it speaks');
  net.last.end(4400, 'its own');
  assert.equal(socket.state.state, 'closed');
  assert.deepEqual(details('close'), [{ code: 4400, reason: 'its own', wasClean: true }]);
});

for (const [says, silent] of [
  ['has said something', false],
  ['is silent', true],
] as const) {
  test(`what no gateway was sent is not sent again when its connection is lost: one that ${says}`, (t) => {
    const { net, socket, pass } = harness(t);
    net.last.open('holdfast.v1');
    pass(5_000);
    socket.send('a');
    if (!silent) net.last.receive('it speaks');
    net.last.cut();
    assert.equal(socket.bufferedAmount, 0);
    pass(1_000);
    net.last.open('holdfast.v1');
    pass(5_000);
    assert.deepEqual(net.last.sent, []);
  });
}

test('a silent server gets more than maxBufferBytes: what is kept in case that it is a gateway takes no room', (t) => {
  const { net, socket, pass } = harness(t, { maxBufferBytes: 100, overflow: 'drop-oldest' });
  net.last.open('holdfast.v1');
  pass(5_000);
  for (let count = 0; count < 20; count += 1) assert.equal(socket.send('x'.repeat(40)), true);
  assert.equal(net.last.sent.length, 20);
  assert.deepEqual([socket.bufferedAmount, socket.droppedMessages], [0, 0]);
});

test('4400 before the welcome: the page was frozen when its connection opened, so try again, with the session', (t) => {
  const { net, socket, pass } = comingBack(t);
  net.last.control({ type: 'hello' });
  net.last.end(4400, 'start did not come in time');
  assert.equal(socket.state.state, 'reconnecting');
  assert.equal(socket.state.reason, 'timeout');
  pass(2_000);
  net.last.open('holdfast.v1');
  net.last.control({ type: 'hello' });
  assert.match(String(net.last.sent), /"type":"start","resume":\{"pipe":"pipe-1"/);
});

test('a gateway that was one before is not taken for none: it is slow, and the session is kept', (t) => {
  const { net, socket, pass } = comingBack(t);
  pass(5_000);
  assert.equal(socket.state.state, 'reconnecting');
  assert.equal(socket.state.reason, 'timeout');
  assert.deepEqual(net.last.sent, []);
});

test('resume: false offers nothing', (t) => {
  const { net, socket } = harness(t, { resume: false });
  assert.deepEqual(net.last.offered, []);
  net.last.open('');
  assert.equal(socket.state.state, 'open');
});
