import assert from 'node:assert/strict';
import { test } from 'node:test';
import { opcode, encodeFrame as ownFrame } from '../../src/wire/frame.ts';
import { encodeFrame, FrameDecoder } from '../support/frame-codec.ts';
import { Mailbox } from '../support/mailbox.ts';
import { openSocketLink } from '../support/socket-link.ts';
import { socketPair } from '../support/socket-pair.ts';
import { until } from '../support/wait.ts';

test('of the pings of a peer that takes nothing the latest is answered when it reads on, and each one after that at once', async (t) => {
  const { near, far } = await socketPair(t);
  const { link } = openSocketLink(t, near);
  const ping = (payload: string): boolean => far.write(encodeFrame({ opcode: 'ping', payload }));
  const data = ownFrame(opcode.binary, Buffer.alloc(2 ** 20), true);
  while (link.bufferedBytes < 8 * 2 ** 20) link.write(data);
  for (const payload of ['first', 'second', 'third']) ping(payload);
  const bytes = 3 * 2 + 'firstsecondthird'.length;
  await until(() => link.bytesIn === bytes, { what: 'the pings' });

  const pongs = new Mailbox<string>('pongs');
  const decoder = new FrameDecoder();
  far.on('data', (chunk) => {
    for (const frame of decoder.push(chunk)) if (frame.opcode === opcode.pong) pongs.push(frame.text);
  });
  assert.equal(await pongs.next(), 'third');
  ping('fourth');
  assert.equal(await pongs.next(), 'fourth');
});
