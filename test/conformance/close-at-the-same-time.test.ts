/** RFC 6455 section 7.1.1 and 1.4: both ends may close at the same time; each gets one Close, and nothing is left. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const codes = [1000, 1001, 1008, 1011, 1012, 4000, 4409, undefined] as const;

for (const first of ['client', 'backend'] as const) {
  test(`a Close of each end in the same moment, the ${first}'s first: one Close to each, no failover that is seen, nothing left`, async (t) => {
    const backend = await startRawBackend(t, { autoPong: true });
    const heartbeat = { client: { intervalMs: 0 }, backend: { intervalMs: 0 } };
    const gateway = await startGateway(t, { backends: [backend.url], heartbeat, pool: { ejectAfter: 0 } });
    for (const clientCode of codes) {
      for (const backendCode of codes) {
        const opening = connectRaw(t, { port: gateway.port, path: '/ws' });
        const link = await backend.acceptNext();
        const client = await opening;
        const ends = first === 'client' ? [client, link] : [link, client];
        // In one tick: the gateway reads neither before both are written.
        for (const end of ends)
          void end.sendClose(end === client ? clientCode : backendCode, end === client ? 'mine' : 'ours');
        const pair = `client ${clientCode}, backend ${backendCode}`;
        const toClient = await client.nextClose();
        await client.waitClosed();
        link.fin();
        await link.waitClosed();
        const closes = (of: typeof client | typeof link) => of.frames.all.filter(({ opcode }) => opcode === 8);
        assert.equal(closes(client).length, 1, pair);
        assert.equal(closes(link).length, 1, pair);
        // Its own, answered; or the backend's, which was there first.
        const possible = [clientCode ?? 1005, backendCode ?? 1005];
        assert.ok(possible.includes(toClient.code), `${pair}: the client got ${toClient.code}`);
      }
    }
    await until(() => gateway.manager.size === 0, { what: 'all pipes to be gone' });
    assert.equal(gateway.eventsOf('pipe.closed').length, codes.length ** 2);
    assert.deepEqual(gateway.eventsOf('pipe.violated'), []);
  });
}
