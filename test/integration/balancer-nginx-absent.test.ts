import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { startBalancer } from '../support/balancer.ts';
import { connect } from '../support/client.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { startGateway } from '../support/gateway.ts';
import { freePort } from '../support/redis-server.ts';

test('deploy/nginx: a client finds the one gateway that is there, also behind two that are not', async (t) => {
  if (!needDebianPackages(t, 'nginx-light')) return;
  const backend = await startBackend(t, { tag: 'b' });
  const gateway = await startGateway(t, { backends: [{ url: backend.url }] });
  const balancer = await startBalancer(t, 'nginx', [await freePort(), await freePort(), gateway.port]);
  // The others have fewer clients, so that each client asks them first.
  for (const text of ['one', 'two', 'three']) {
    const client = await connect(t, balancer.url);
    assert.equal((await client.ask(text)).text, `b:${text}`);
  }
});
