/** What the tests of backends that keep a dial for themselves have in common. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { TestGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import type { RawClient } from '../support/raw-client.ts';

/** The backend `bad` is left out, another one comes, and the client that is being connected is served there. */
export async function servedByTheNext(
  t: TestContext,
  gateway: TestGateway,
  opening: Promise<RawClient>,
): Promise<void> {
  const good = await startRawBackend(t);
  gateway.manager.updateBackend('bad', { adminState: 'disabled' });
  gateway.manager.registerBackend({ id: 'good', url: good.url });
  const link = await good.acceptNext();
  const client = await opening;
  await client.sendText('through');
  assert.equal((await link.nextMessage()).text, 'through');
}
