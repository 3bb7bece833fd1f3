/** HoldfastSocket keeps no more than it may, and says so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { harness } from './client-harness.ts';

const text = (bytes: number): string => 'x'.repeat(bytes);

test('refuse: no more than maxBufferBytes is kept, counted in UTF-8, and drain says that there is room again', (t) => {
  const { net, socket, welcome, count } = harness(t, { maxBufferBytes: 100 });
  assert.equal(socket.send(text(60)), true);
  assert.equal(socket.send('ü'.repeat(21)), false);
  assert.equal(socket.send('ü'.repeat(20)), true);
  assert.equal(socket.bufferedAmount, 100);
  assert.equal(socket.send('a'), false);
  welcome();
  assert.equal(count('drain'), 0);
  assert.equal(socket.send('a'), false, 'sent is not acknowledged');
  net.last.control({ type: 'ack', received: 1 });
  assert.equal(count('drain'), 1);
  assert.equal(socket.send('a'), true);
  net.last.control({ type: 'ack', received: 3 });
  assert.equal(count('drain'), 1);
  assert.equal(socket.send(text(101)), false, 'more than there will ever be room for');
});

test('drop-oldest: the newest messages are kept, and the others counted', (t) => {
  const { net, socket, welcome } = harness(t, { maxBufferBytes: 100, overflow: 'drop-oldest' });
  for (let count = 0; count < 5; count += 1) assert.equal(socket.send(`${count}${text(39)}`), true);
  assert.equal(socket.droppedMessages, 3);
  assert.equal(socket.send(text(101)), false);
  assert.equal(socket.droppedMessages, 3);
  welcome();
  assert.deepEqual(
    net.last.messages.map((message) => String(message)[0]),
    ['3', '4'],
  );
});

test('close: the socket closes with 4413', async (t) => {
  const { net, socket, welcome, details } = harness(t, { maxBufferBytes: 100, overflow: 'close' });
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
  assert.equal(socket.send(text(1_001)), false);
});
