import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { encodeFrame, opcode } from '../../src/wire/frame.ts';
import { openSocketLink } from '../support/socket-link.ts';
import { type SocketPair, socketPair } from '../support/socket-pair.ts';
import { until } from '../support/wait.ts';

/** Takes the socket over inside a `data` event, as node:http does with the answer to an upgrade: node reads on after it by itself. */
async function inHandshake<T>({ near, far }: SocketPair, takeOver: () => T): Promise<T> {
  far.write('x');
  return new Promise((resolve) => {
    near.once('data', () => {
      Object.assign(near, { readableFlowing: null });
      resolve(takeOver());
    });
  });
}

/** Something written later on another connection has been read: what came before on any is here as well. */
async function settled(t: TestContext): Promise<void> {
  const { near, far } = await socketPair(t);
  far.write('!');
  await once(near, 'data');
}

test('regression: bytes that came with the handshake stay ahead of those that come while the link is paused', async (t) => {
  const ends = await socketPair(t);
  const { near, far } = ends;
  const whole = encodeFrame(
    opcode.text,
    Buffer.from('a message in two parts, the first of which came with the 101'),
    false,
  );
  const { link, got } = await inHandshake(ends, () => {
    near.unshift(whole.subarray(0, 20));
    const opened = openSocketLink(t, near);
    opened.link.pause();
    return opened;
  });
  far.write(whole.subarray(20));
  await settled(t);
  assert.deepEqual([got.frames, got.violations], [[], []]);
  link.resume();
  await until(() => got.frames.length > 0 || got.violations.length > 0);
  assert.deepEqual(got.violations, []);
  assert.deepEqual(Buffer.concat(got.frames), whole);
});

test('regression: a link that begins paused hands nothing on', async (t) => {
  const ends = await socketPair(t);
  const { near, far } = ends;
  const { link, got } = await inHandshake(ends, () => {
    const opened = openSocketLink(t, near);
    opened.link.pause();
    return opened;
  });
  const frames = ['one', 'two', 'three'].map((text) => encodeFrame(opcode.text, Buffer.from(text), false));
  for (const frame of frames) {
    far.write(frame);
    await settled(t);
  }
  assert.deepEqual(got.frames, []);
  link.resume();
  await until(() => Buffer.concat(got.frames).length === Buffer.concat(frames).length);
  assert.deepEqual(Buffer.concat(got.frames), Buffer.concat(frames));
});
