/** How many changes of keys are too many, counted by the lines that node would log of them. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { boundKeyUpdates } from '../../src/link/key-updates.ts';

const minuteMs = 60_000;
const most = 64;

function start(t: TestContext) {
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  const socket = new TLSSocket(new PassThrough());
  const errors: string[] = [];
  socket.on('error', ({ message }) => errors.push(message));
  t.after(() => void socket.destroy());
  boundKeyUpdates(socket);
  return {
    socket,
    errors,
    lines: (count: number) => {
      for (let i = 0; i < count; i += 1) socket.emit('keylog', Buffer.alloc(0));
    },
    pass: (ms: number) => {
      now += ms;
    },
  };
}

test('as many as there may be in a minute are, in each minute', (t) => {
  const { socket, lines, pass } = start(t);
  for (let minute = 0; minute < 5; minute += 1) {
    lines(most);
    pass(minuteMs);
  }
  assert.equal(socket.destroyed, false);
});

test('one more, and the connection is destroyed, once', async (t) => {
  const { socket, errors, lines } = start(t);
  lines(most + 100);
  assert.equal(socket.destroyed, true);
  await new Promise((resolve) => socket.once('close', resolve));
  assert.deepEqual(errors, ['too many TLS key updates']);
});

test('a connection that is bounded twice has all of them still', (t) => {
  const { socket, lines } = start(t);
  boundKeyUpdates(socket);
  lines(most);
  assert.equal(socket.destroyed, false);
});

test('what is no TLS is left alone', () => {
  const plain = new PassThrough();
  boundKeyUpdates(plain);
  assert.equal(plain.listenerCount('keylog'), 0);
});
