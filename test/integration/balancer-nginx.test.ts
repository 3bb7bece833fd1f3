import test from 'node:test';
import { needDebianPackages } from '../support/debian-packages.ts';
import { clientsAreSpread, oneGatewayEnds, startFleet } from './balancer-scenario.ts';

test('deploy/nginx: clients are spread, a gateway that ends loses none', async (t) => {
  if (!needDebianPackages(t, 'nginx-light')) return;
  const fleet = await startFleet(t, 'nginx');
  await clientsAreSpread(t, fleet);
  await oneGatewayEnds(t, fleet);
});
