import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startBalancer } from '../support/balancer.ts';
import { connect, connectRefused } from '../support/client.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { startGateway } from '../support/gateway.ts';

test('deploy/nginx: clients that every gateway refuses with 503 keep nobody else out', async (t) => {
  if (!needDebianPackages(t, 'nginx-light')) return;
  const backend = await startBackend(t, { tag: 'b' });
  const start = () =>
    startGateway(t, {
      backends: [{ url: backend.url }],
      authenticate: ({ query }) => ((query as { slow?: string }).slow === undefined ? true : new Promise(() => {})),
      limits: { hooksTimeoutMs: 50 },
    });
  const gateways = [await start(), await start()] as const;
  const balancer = await startBalancer(t, 'nginx', [gateways[0].port, gateways[1].port]);
  for (let index = 0; index < 2; index += 1) {
    const refused = await connectRefused(t, `${balancer.url}?slow`);
    assert.equal(refused.status, 503);
    assert.match(refused.body, /HOLDFAST_ERR_HOOKS_TIMEOUT/, 'what the gateway says, not nginx');
  }
  for (const gateway of gateways) assert.equal(gateway.eventsOf('pipe.refused').length, 2, 'both were asked each time');
  const client = await connect(t, balancer.url);
  assert.equal((await client.ask('hello')).text, 'b:hello');
});
