import assert from 'node:assert/strict';
import test from 'node:test';
import type { Hop } from '../../src/heartbeat/settings.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { assertNobodyJudged, moreAnswers } from './heartbeat-scenario.ts';

for (const off of ['client', 'backend'] as const satisfies Hop[]) {
  const on = off === 'client' ? 'backend' : 'client';

  test(`With interval 0 on the ${off} hop it is neither pinged nor judged by silence, and the ${on} hop goes on`, async (t) => {
    const gateway = await startGateway(t, {
      heartbeat: { [off]: { intervalMs: 0, timeoutMs: 100 }, [on]: { intervalMs: 200 } },
    });
    const server = await startRawBackend(t, {
      autoPong: on === 'backend',
      onConnection: (connection) => void connection.accept(),
    });
    gateway.manager.registerBackend({ id: 'a', url: server.url });
    const client = await connectRaw(t, { port: gateway.port, path: '/ws', autoPong: on === 'client' });
    const backend = await server.nextConnection();
    // The silent hop never says anything; the other counts the time: twelve times the timeout.
    await moreAnswers(gateway, on, 6);
    assertNobodyJudged(gateway);
    const silent = off === 'client' ? client : backend;
    assert.deepEqual(silent.frames.all, []);
    assert.ok(gateway.eventsOf('heartbeat.ping').every(({ hop }) => hop === on));
    assert.deepEqual(gateway.eventsOf('heartbeat.missed'), []);

    const { status } = await gateway.admin('PATCH', '/config/heartbeat', {
      [off]: { intervalMs: 100, timeoutMs: null },
    });
    assert.equal(status, 200);
    await silent.nextFrame({ what: 'a ping, now that it is on' });
    const verdict = await gateway.waitFor('heartbeat.timeout');
    assert.deepEqual({ hop: verdict.hop, timeoutMs: verdict.timeoutMs }, { hop: off, timeoutMs: 300 });
  });
}
