/** HoldfastSocket keeps no more than it may, and says so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { harness } from './client-harness.ts';

const text = (bytes: number): string => 'x'.repeat(bytes);

// 14 bytes more for each message: its frame.
test('refuse: no more than maxBufferBytes is kept, counted in UTF-8 and with its frames, and drain says that there is room again', (t) => {
  const { net, socket, welcome, count } = harness(t, { maxBufferBytes: 128 });
  assert.equal(socket.send(text(60)), true);
  assert.equal(socket.send('ü'.repeat(21)), false);
  assert.equal(socket.send('ü'.repeat(20)), true);
  assert.equal(socket.bufferedAmount, 100);
  assert.equal(socket.send(''), false, 'an empty one has a frame, too');
  welcome();
  assert.equal(count('drain'), 0);
  assert.equal(socket.send('a'), false, 'sent is not acknowledged');
  net.last.control({ type: 'ack', received: 1 });
  assert.equal(count('drain'), 1);
  assert.equal(socket.send('a'), true);
  net.last.control({ type: 'ack', received: 3 });
  assert.equal(count('drain'), 1);
  assert.equal(socket.send(text(115)), false, 'more than there will ever be room for');
});

test('drop-oldest: the newest messages are kept, and the others counted', (t) => {
  const { net, socket, welcome } = harness(t, { maxBufferBytes: 128, overflow: 'drop-oldest' });
  for (let count = 0; count < 5; count += 1) assert.equal(socket.send(`${count}${text(39)}`), true);
  assert.equal(socket.droppedMessages, 3);
  assert.equal(socket.send(text(115)), false);
  assert.equal(socket.droppedMessages, 3);
  welcome();
  assert.deepEqual(
    net.last.messages.map((message) => String(message)[0]),
    ['3', '4'],
  );
});

test('close: the socket closes with 4413', async (t) => {
  const { net, socket, welcome, details } = harness(t, { maxBufferBytes: 128, overflow: 'close' });
  welcome();
  socket.send(text(60));
  assert.equal(socket.send(text(60)), false);
  assert.deepEqual(net.last.closedWith, { code: 4413, reason: 'buffer full' });
  assert.equal(socket.readyState, socket.CLOSING);
  net.last.end(4413, 'buffer full');
  assert.deepEqual(details('close'), [{ code: 4413, reason: 'buffer full', wasClean: true }]);
});

test('the bound of the gateway holds where no own is given', (t) => {
  const { socket, welcome } = harness(t);
  welcome();
  assert.equal(socket.send(text(987)), false);
  assert.equal(socket.send(text(986)), true);
});

test('drain from a server that is no gateway comes when it has taken enough, without another send', (t) => {
  const { net, socket, pass, count } = harness(t, { resume: false, maxBufferBytes: 100 });
  net.last.open('');
  net.last.bufferedAmount = 90;
  assert.equal(socket.send(text(40)), false);
  pass(1_000);
  assert.equal(count('drain'), 0);
  net.last.bufferedAmount = 49;
  pass(100);
  assert.equal(count('drain'), 0, 'room for less than was refused');
  net.last.bufferedAmount = 40;
  pass(100);
  assert.equal(count('drain'), 1);
  pass(1_000);
  assert.equal(count('drain'), 1);
  assert.equal(socket.send(text(40)), true);
});

test('two producers at a server that is no gateway: each refusal has its own drain, also where the second finds room for the first', (t) => {
  const { net, socket, pass, count } = harness(t, { resume: false, maxBufferBytes: 100 });
  net.last.open('');
  net.last.bufferedAmount = 90;
  assert.equal(socket.send(text(40)), false);
  net.last.bufferedAmount = 40;
  assert.equal(socket.send(text(60)), false);
  assert.equal(count('drain'), 1, 'for the first');
  pass(1_000);
  assert.equal(count('drain'), 1, 'no room for the second');
  net.last.bufferedAmount = 0;
  pass(100);
  assert.equal(count('drain'), 2);
});

test('without a bound nothing is refused: no drain, and a slow gateway that was taken for none gets all', (t) => {
  const { net, socket, welcome, pass, count } = harness(t, { maxBufferBytes: Number.POSITIVE_INFINITY });
  net.last.open('holdfast.v1');
  pass(5_000);
  assert.equal(socket.send('a'), true);
  const look = t.mock.fn(() => 0);
  Object.defineProperty(net.last, 'bufferedAmount', { get: look });
  pass(1_000);
  assert.equal(look.mock.callCount(), 0, 'nobody waits for room');
  net.last.end(4400);
  pass(2_000);
  welcome();
  assert.deepEqual([net.last.messages, count('drain')], [['a'], 0]);
});

test('drain after the end: none', (t) => {
  const { net, socket, pass, count } = harness(t, { resume: false, maxBufferBytes: 100 });
  net.last.open('');
  net.last.bufferedAmount = 90;
  assert.equal(socket.send(text(40)), false);
  net.last.end(1000);
  pass(1_000);
  assert.equal(count('drain'), 0);
});

test('drain after a reset that gives up what was kept', (t) => {
  const { net, socket, welcome, pass, count } = harness(t, { maxBufferBytes: 100 });
  socket.addEventListener('reset', (event) => event.preventDefault());
  welcome();
  net.last.cut();
  assert.equal(socket.send(text(80)), true);
  assert.equal(socket.send(text(20)), false);
  pass(1_000);
  welcome({ pipe: 'pipe-2' });
  assert.equal(count('drain'), 1);
});

test('drain after a welcome with a larger bound', (t) => {
  const { socket, welcome, count } = harness(t);
  assert.equal(socket.send(text(6_000_000)), false);
  welcome({ maxBufferBytes: 20_000_000 });
  assert.equal(count('drain'), 1);
  assert.equal(socket.send(text(6_000_000)), true);
});
