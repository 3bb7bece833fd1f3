/** Opening handshakes: what a client may ask, and what a backend may answer. */
import { test } from 'node:test';
import { testSide } from './side-test.ts';

test('each handshake has its outcome, and a client that waits for its backend meanwhile is not harmed', async (t) => {
  await testSide(t, 'handshakes');
});
