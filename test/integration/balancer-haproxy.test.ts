import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { until } from '../support/wait.ts';
import { clientsAreSpread, oneGatewayEnds, pipesOf, startFleet } from './balancer-scenario.ts';

test('deploy/haproxy: clients are spread, a gateway that is not ready gets none, one that ends loses none', async (t) => {
  if (!needDebianPackages(t, 'haproxy')) return;
  const fleet = await startFleet(t, 'haproxy');
  const { balancer, backend } = fleet;
  assert.equal(await balancer.status('gateway-1'), 'UP');
  await clientsAreSpread(t, fleet);

  const [one, other] = fleet.gateways;
  const kept = await connect(t, balancer.url);
  await kept.ask('hello');
  assert.equal((await one.admin('DELETE', '/backends/b?mode=force')).status, 204);
  await until(async () => (await balancer.status('gateway-1')) === 'DOWN', { what: '/readyz to take the gateway out' });
  const before = (await pipesOf(one)).length;
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(t, balancer.url)));
  assert.equal((await pipesOf(one)).length, before, 'it gets no new clients');
  assert.ok((await pipesOf(other)).length >= 6);
  assert.equal((await one.admin('POST', '/backends', { url: backend.url, id: 'b' })).status, 201);
  await until(async () => (await balancer.status('gateway-1')) === 'UP', { what: '/readyz to bring it back' });
  // Its first message may come again: the backend was taken away before it had acknowledged it.
  kept.send('still there');
  await kept.waitFor('b:still there');
  for (const client of [kept, ...clients]) client.close();
  await until(async () => (await Promise.all(fleet.gateways.map(pipesOf))).flat().length === 0, { what: 'all to go' });

  await oneGatewayEnds(t, fleet);
});
