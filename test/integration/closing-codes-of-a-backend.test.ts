import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { assertNothingLeft, startPair } from './failover-scenario.ts';

for (const { order, code, reason } of [
  { order: 'close-empty', code: 1005, reason: '' },
  { order: 'close:1000:done', code: 1000, reason: 'done' },
  { order: 'close:1008:not you', code: 1008, reason: 'not you' },
  { order: 'close:4001:session over', code: 4001, reason: 'session over' },
]) {
  test(`A backend's '${order}' is meant for the client, which gets ${code} and the reason`, async (t) => {
    const { gateway } = await startPair(t);
    const client = await connect(t, gateway.url);
    client.send(order);
    assert.deepEqual(await client.waitClosed(), { code, reason });
    const closed = await gateway.waitFor('pipe.closed');
    assert.equal(closed.initiator, 'backend');
    assert.equal(closed.closeCode, code);
    assert.equal(closed.interruptions, 0);
    await assertNothingLeft(gateway);
  });
}

for (const order of ['close-empty', 'close:1000:bye']) {
  test(`'${order}' of a draining backend is a failover: it wants its clients elsewhere`, async (t) => {
    // One that cannot be migrated away: its barrier stays out while it is stalled.
    const { a, gateway } = await startPair(t, { drain: { pipesPerSecond: 1 } });
    const [client, other] = await Promise.all([connect(t, gateway.url), connect(t, gateway.url)]);
    void other;
    await a.command({ do: 'pause' });
    const draining = await gateway.admin('PATCH', '/backends/a', { adminState: 'draining' });
    assert.equal(draining.status, 200);
    await a.command(order === 'close-empty' ? { do: 'close' } : { do: 'close', code: 1000, reason: 'bye' });
    const interrupted = await gateway.waitFor('pipe.interrupted');
    assert.equal(interrupted.backendId, 'a');
    await gateway.waitFor('pipe.restored', (event) => event.backendId === 'b');
    const [one] = [client, other].map(({ closeInfo }) => closeInfo);
    assert.equal(one, undefined);
    client.send('hello');
    await client.waitFor('b:hello');
  });
}
