/** What a peer pours in behind its end is thrown away; a backend that does not stop is dropped, a client is left the time to read its Close. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { encodeFrame, FrameDecoder } from '../support/frame-codec.ts';
import { openSocketLink } from '../support/socket-link.ts';
import { socketPair } from '../support/socket-pair.ts';
import { until } from '../support/wait.ts';

const mib = 1_048_576;
/** More than the link takes of a backend. */
const bound = 16 * mib;
/** Sockets of this machine may take some MiB themselves. */
const kernelBytes = 24 * mib;
/** Longer than a test may take: nothing here waits for it. */
const closeTimeoutMs = 60_000;
const reserved = encodeFrame({ opcode: 3, mask: true });

/** Writes junk as fast as it is taken, `bytes` of it, or for ever; our FIN is no end to it. */
function pour(socket: Socket, bytes = Number.POSITIVE_INFINITY): void {
  socket.allowHalfOpen = true;
  const junk = Buffer.alloc(mib, 0x81);
  let left = bytes;
  const write = (): void => {
    while (left > 0 && !socket.destroyed) {
      left -= junk.length;
      if (!socket.write(junk)) return;
    }
  };
  socket.on('drain', write);
  write();
}

/** @returns what comes at that end: the code of its Close, whether its FIN came, and its error. */
function listen(socket: Socket): { close?: number; ended: boolean; error?: string } {
  const seen: { close?: number; ended: boolean; error?: string } = { ended: false };
  const decoder = new FrameDecoder();
  socket.on('data', (chunk: Buffer) => {
    for (const frame of decoder.push(chunk)) if (frame.opcode === 8) seen.close = frame.payload.readUInt16BE(0);
  });
  socket.on('end', () => {
    seen.ended = true;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    seen.error = String(error.code);
  });
  return seen;
}

for (const [what, first, code] of [
  ['breaks the protocol', encodeFrame({ opcode: 3 }), 1006],
  ['closes', encodeFrame({ opcode: 8, payload: Buffer.from([0x0f, 0xa1]) }), 4001],
] as const) {
  test(`a backend that ${what} and pours in junk for ever is dropped after some MiB`, async (t) => {
    const { near, far } = await socketPair(t);
    const { got } = openSocketLink(t, near, { closeTimeoutMs });
    const seen = listen(far);
    far.write(first);
    pour(far);
    await until(() => got.ends.length === 1, { what: 'the link to end' });
    assert.equal(got.ends[0]?.code, code);
    assert.ok(near.bytesRead > bound && near.bytesRead < bound + kernelBytes, `${near.bytesRead} bytes were read`);
    assert.deepEqual(got.limits, [], 'it was not its time that was over');
    await until(() => far.destroyed);
    assert.equal(seen.close, code === 1006 ? 1002 : code, 'our Close came before');
  });
}

for (const side of ['backend', 'client'] as const) {
  const bytes = side === 'backend' ? 15 * mib : 2 * bound;
  test(`a ${side} that sends ${bytes / mib} MiB behind what broke the protocol gets our Close and our FIN, and no reset`, async (t) => {
    const { near, far } = await socketPair(t);
    const { got } = openSocketLink(t, near, { side, closeTimeoutMs });
    const seen = listen(far);
    far.write(side === 'client' ? reserved : encodeFrame({ opcode: 3 }));
    pour(far, bytes);
    await until(() => near.bytesRead >= bytes, { what: 'all of it to be read' });
    far.end();
    await until(() => got.ends.length === 1, { what: 'the link to end' });
    await until(() => seen.ended);
    assert.deepEqual(seen, { close: 1002, ended: true });
  });
}

test('a backend that our Close has not reached yet is read on, however much it sends', async (t) => {
  const { near, far } = await socketPair(t);
  const { link, got } = openSocketLink(t, near, { closeTimeoutMs });
  far.pause();
  link.write(encodeFrame({ payload: Buffer.alloc(bound), mask: true }));
  far.write(encodeFrame({ opcode: 3 }));
  pour(far, 2 * bound);
  await until(() => near.bytesRead >= 2 * bound, { what: 'all of it to be read' });
  assert.ok(near.writableLength > 0);
  const seen = listen(far);
  far.resume();
  await until(() => seen.ended, { what: 'our FIN' });
  far.end();
  await until(() => got.ends.length === 1, { what: 'the link to end' });
  assert.deepEqual(seen, { close: 1002, ended: true });
});
