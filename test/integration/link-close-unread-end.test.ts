import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFrame } from '../support/frame-codec.ts';
import { openSocketLink } from '../support/socket-link.ts';
import { socketPair } from '../support/socket-pair.ts';
import { until } from '../support/wait.ts';

const twoTextsAndClose = Buffer.concat([
  encodeFrame({ payload: 'one' }),
  encodeFrame({ payload: 'two' }),
  encodeFrame({ opcode: 'close', payload: Buffer.from([3, 232]) }),
]);

test('regression: a Close in what is left of a chunk for a later turn: the FIN behind it is seen, not waited for', async (t) => {
  const { near, far } = await socketPair(t);
  const { got } = openSocketLink(t, near, { framesPerTurn: 2, closeTimeoutMs: 60_000 });
  far.end(twoTextsAndClose);
  await until(() => got.ends.length > 0, { what: 'the end of the link' });
  assert.deepEqual(got.ends, [{ code: 1000, reason: '', clean: true }]);
  assert.deepEqual(got.limits, []);
});

test('regression: a Close in a chunk whose owner takes no more meanwhile: the FIN behind it is seen, not waited for', async (t) => {
  const { near, far } = await socketPair(t);
  const { got } = openSocketLink(t, near, { closeTimeoutMs: 60_000, onMessages: (link) => link.pause() });
  far.end(twoTextsAndClose);
  await until(() => got.ends.length > 0, { what: 'the end of the link' });
  assert.deepEqual(got.ends, [{ code: 1000, reason: '', clean: true }]);
  assert.deepEqual(got.limits, []);
});
