import assert from 'node:assert/strict';
import test from 'node:test';
import { freePort } from '../support/redis-server.ts';
import { until } from '../support/wait.ts';
import {
  backendIds,
  dnsName,
  nextLookup,
  startAtOnePort,
  startDiscovering,
  startDnsServer,
} from './discovery-scenario.ts';
import { assertExact, assertHandedOver, connectCounting, linksOf } from './failover-scenario.ts';

test('Backends that DNS names are used; one that vanishes from DNS under load is drained: none closed, nothing lost, nothing twice', async (t) => {
  const dns = await startDnsServer(t);
  // The gateway first: it ends first, while its pipes still have their backends.
  const port = await freePort();
  const gateway = await startDiscovering(t, dns, { port, records: 'a' }, { pool: { balancing: 'round-robin' } });
  const ready = () => gateway.manager.readiness().ready;
  await nextLookup(gateway, 'empty', 1);
  assert.equal(ready(), false);

  const [one, two] = await startAtOnePort(t, 2, port);
  dns.set(dnsName, ['127.0.0.1']);
  await until(ready, { what: 'a usable backend' });
  const all = await Promise.all(Array.from({ length: 20 }, () => connectCounting(t, gateway.url)));
  const pipes = [...gateway.manager];
  assert.equal(gateway.manager.backend(`127.0.0.1-${port}`).connections, 20);
  assert.deepEqual(gateway.manager.backend(`127.0.0.1-${port}`).labels, {
    discovery: 'dns',
    'discovery/name': dnsName,
  });
  const runs = all.map(({ client }) => client.sendNumbered({ intervalMs: 10 }));

  // Scale up, then take the first away.
  dns.set(dnsName, ['127.0.0.1', '127.0.0.2']);
  await until(() => backendIds(gateway).length === 2, { what: 'the second backend' });
  dns.set(dnsName, ['127.0.0.2']);
  const removed = await gateway.waitFor('backend.removed', undefined, 10_000);
  assert.deepEqual([removed.backendId, removed.cause], [`127.0.0.1-${port}`, 'discovery']);
  const drained = await gateway.waitFor('backend.drained');
  assert.deepEqual([drained.migrated, drained.failedOver], [20, 0]);

  const marks = runs.map(({ sent }) => sent);
  await until(() => runs.every(({ sent }, index) => sent >= marks[index]! + 10), { what: 'ten more each' });
  for (const run of runs) run.stop();
  await until(() => all.every(({ numbers }, index) => numbers.at(-1) === runs[index]!.sent), {
    what: 'the last answers',
  });
  for (const [index, { client, numbers }] of all.entries()) {
    assert.equal(client.closeInfo, undefined, `client ${index} was closed`);
    assertExact(numbers, runs[index]!.sent, `answers of client ${index}`);
    assert.equal(assertHandedOver(linksOf(pipes[index]!.id, one!, two!), runs[index]!.sent), 0, 'nothing twice');
  }
  assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
  assert.deepEqual(
    gateway.eventsOf('discovery.changed').map(({ added, removed: gone, backends }) => [added, gone, backends]),
    [
      [1, 0, 1],
      [1, 0, 2],
      [0, 1, 1],
    ],
  );
});
