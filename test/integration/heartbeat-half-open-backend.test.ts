import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { assertFoundInTime } from './heartbeat-scenario.ts';

const timeoutMs = 600;

for (const direction of ['both', 'toTarget', 'toClient'] as const) {
  test(`A backend link that silently stops forwarding (${direction}) is found within its timeout, and fails over`, async (t) => {
    const gateway = await startGateway(t, {
      heartbeat: { backend: { intervalMs: 200 } },
      pool: { balancing: 'round-robin' },
    });
    const [a, b] = await Promise.all([startBackend(t, { tag: 'a' }), startBackend(t, { tag: 'b' })]);
    const relay = await startRelay(t, { targetPort: a.port });
    gateway.manager.registerBackend({ id: 'a', url: relay.url });
    gateway.manager.registerBackend({ id: 'b', url: b.url });
    const client = await connect(t, gateway.url);
    assert.equal((await client.ask('1')).text, 'a:1');
    await gateway.waitFor('heartbeat.pong', ({ hop }) => hop === 'backend');

    const at = performance.now();
    relay.partition(direction);
    const { event, foundMs } = await assertFoundInTime(gateway, 'backend', at, timeoutMs);
    assert.equal(event.backendId, 'a');
    client.send('2');
    await client.waitFor('b:2');
    assert.equal(client.closeInfo, undefined);
    assert.equal(gateway.eventsOf('heartbeat.timeout').length, 1);
    t.diagnostic(`found after ${foundMs.toFixed(0)} ms, ${event.silentMs.toFixed(0)} ms of silence`);
  });
}
