import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { startGateway, type TestGatewayOptions } from '../support/gateway.ts';
import type { Owner } from '../support/owner.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { sleep, until } from '../support/wait.ts';

/** A client at 'a', and 'b', which treats everyone else as `treat` says. */
async function startRefused(
  t: Owner,
  treat: (connection: RawBackendConnection) => unknown,
  options: TestGatewayOptions,
) {
  const gateway = await startGateway(t, { closing: { handshakeMs: 200 }, ...options });
  const a = await startRawBackend(t, {
    autoPong: true,
    autoClose: true,
    onConnection: (one) => void one.accept(),
  });
  const b = await startRawBackend(t, { autoPong: true, autoClose: true, onConnection: (one) => void treat(one) });
  gateway.manager.registerBackend({ id: 'a', url: a.url });
  await connect(t, gateway.url);
  gateway.manager.registerBackend({ id: 'b', url: b.url });
  const tries = () => gateway.eventsOf('backend.attempt').filter(({ reason }) => reason === 'migrate').length;
  return { gateway, tries };
}

/** Three tries that follow each other, and no other before the end of the test. */
const threeTries = (attempt: number) => (attempt < 3 ? 0 : 60_000);

/** Three come, however long they take, and no fourth where a drain would try again ten times a second. */
async function assertThree(tries: () => number): Promise<void> {
  await until(() => tries() >= 3, { what: () => `three tries; ${tries()} came` });
  await sleep(500);
  assert.equal(tries(), 3);
}

const refusals: Readonly<Record<string, (connection: RawBackendConnection) => unknown>> = {
  '503': (connection) => connection.respond(503, { 'content-length': '0' }),
  '401': (connection) => connection.respond(401, { 'content-length': '0' }),
  'a reset': (connection) => connection.reset(),
};

for (const [how, treat] of Object.entries(refusals)) {
  test(`a drain to a backend that answers with ${how} backs off as a failover does`, async (t) => {
    const { gateway, tries } = await startRefused(t, treat, { backoff: threeTries });
    await gateway.admin('DELETE', '/backends/a?timeoutMs=60000');
    await assertThree(tries);
    assert.deepEqual(gateway.eventsOf('pipe.interrupted'), []);
  });
}

test('a drain backs off where onAttach fails at the next backend', async (t) => {
  let calls = 0;
  const { gateway } = await startRefused(t, (connection) => connection.accept(), {
    backoff: threeTries,
    onAttach: ({ reason }) => {
      if (reason !== 'migrate') return;
      calls += 1;
      throw new Error('no login');
    },
  });
  await gateway.admin('DELETE', '/backends/a?timeoutMs=60000');
  await assertThree(() => calls);
});

test('a rebalance to a backend that refuses backs off as a failover does', async (t) => {
  const { gateway, tries } = await startRefused(t, refusals['503']!, {
    backoff: threeTries,
    drain: { quietMs: 0 },
    // An ejection would hide it.
    pool: { ejectAfter: 0 },
  });
  // So that it has one more than its share.
  await gateway.admin('PATCH', '/backends/b', { adminState: 'disabled' });
  const other = await connect(t, gateway.url);
  await gateway.admin('PATCH', '/backends/b', { adminState: 'enabled' });
  await gateway.admin('POST', '/backends/b/rebalance?timeoutMs=3000');
  const { planned, moved } = await gateway.waitFor('backend.rebalanced');
  assert.deepEqual([planned, moved], [1, 0]);
  assert.equal(tries(), 6, 'three of each pipe');
  assert.equal(other.closeInfo, undefined);
});
