import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { assertFoundInTime } from './heartbeat-scenario.ts';

const timeoutMs = 600;

for (const direction of ['both', 'toTarget', 'toClient'] as const) {
  test(`A client link that silently stops forwarding (${direction}) is found within its timeout, and only that one`, async (t) => {
    const gateway = await startGateway(t, { heartbeat: { client: { intervalMs: 200 } } });
    const backend = await startBackend(t);
    gateway.manager.registerBackend({ id: 'a', url: backend.url });
    const relay = await startRelay(t, { targetPort: gateway.port });
    const healthy = await connect(t, gateway.url);
    const lost = await connect(t, `${relay.url}/ws`);
    const [, pipe] = [...gateway.manager];
    await gateway.waitFor('heartbeat.pong', ({ hop, pipeId }) => hop === 'client' && pipeId === pipe!.id);

    const at = performance.now();
    relay.partition(direction);
    const { event, foundMs } = await assertFoundInTime(gateway, 'client', at, timeoutMs);
    assert.equal(event.pipeId, pipe!.id);
    assert.equal((await gateway.waitFor('pipe.closed')).reason, 'heartbeat-timeout');
    // Dropped, not closed: where it can hear at all, it hears the end of the connection and no Close.
    if (direction === 'toTarget') assert.equal((await lost.waitClosed()).code, 1006);
    else assert.equal(lost.closeInfo, undefined);
    await healthy.ask('still there?');
    assert.equal(gateway.eventsOf('heartbeat.timeout').length, 1);
    t.diagnostic(`found after ${foundMs.toFixed(0)} ms, ${event.silentMs.toFixed(0)} ms of silence`);
  });
}
