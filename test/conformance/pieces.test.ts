/** The suite's splits are worth something only if each write is read by itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { open, text } from './case.ts';
import { play } from './player.ts';
import { startRigs } from './rigs.ts';

test('a script that is written byte by byte is read byte by byte', async (t) => {
  const { client, backend } = await startRigs(t);
  const letters = 'a text of some length';
  const one = { name: 'a text', rfc: '5.2', steps: [{ send: [text(letters)] }], delivers: [letters], outcome: open };
  // A header of 6 or 2 bytes, then the last message and the Close.
  for (const [rig, bytes] of [
    [client.alone, letters.length + 6],
    [backend.alone, letters.length + 2],
  ] as const) {
    const { reads } = await play(one, 'byte by byte', rig);
    assert.ok(reads >= bytes, `${reads} reads of ${bytes} bytes`);
  }
});
