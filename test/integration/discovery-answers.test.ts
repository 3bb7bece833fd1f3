import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import {
  backendIds,
  dnsName,
  nextLookup,
  startAtOnePort,
  startDiscovering,
  startDnsServer,
} from './discovery-scenario.ts';
import { assertReached } from './limits-scenario.ts';

test('the same addresses in another order, twice or in another family change nothing', async (t) => {
  const dns = await startDnsServer(t);
  const addresses = ['127.0.0.1', '127.0.0.2', '127.0.0.3', '::1'];
  dns.set(dnsName, addresses);
  const gateway = await startDiscovering(t, dns, { port: 9, graceMs: 0 });
  await until(() => backendIds(gateway).length === 4, { what: 'four backends' });
  assert.deepEqual(backendIds(gateway), ['--1-9', '127.0.0.1-9', '127.0.0.2-9', '127.0.0.3-9']);
  assert.equal(gateway.manager.backend('--1-9').url, 'ws://[::1]:9/');
  const changes = () => gateway.eventsOf('discovery.changed').length + gateway.eventsOf('backend.updated').length;
  const before = changes();
  for (const order of [[...addresses].reverse(), [...addresses, ...addresses]]) {
    dns.set(dnsName, order);
    await nextLookup(gateway, 'ok');
  }
  assert.equal(changes(), before);
  assert.equal(backendIds(gateway).length, 4);
});

test('what may be no backend is not registered, is told once, and nothing but that is as no answer at all', async (t) => {
  const dns = await startDnsServer(t);
  dns.set(dnsName, ['127.0.0.1', '169.254.169.254', '0.0.0.0', '127.0.0.9']);
  const allowedBackends = { exceptAddresses: ['127.0.0.9'] };
  const gateway = await startDiscovering(t, dns, { port: 9, graceMs: 0 }, { allowedBackends });
  await until(() => backendIds(gateway).length === 1, { what: 'the one that may be' });
  assert.deepEqual(backendIds(gateway), ['127.0.0.1-9']);
  const told = await gateway.waitFor('discovery.skipped');
  assert.equal(told.skipped, 3);
  await nextLookup(gateway, 'ok', 3);
  assert.equal(gateway.eventsOf('discovery.skipped').length, 1);
  dns.set(dnsName, ['169.254.169.254']);
  await nextLookup(gateway, 'empty');
  assert.deepEqual(backendIds(gateway), ['127.0.0.1-9']);
});

test('of more addresses than there may be those stay that are there, and the others are told', async (t) => {
  const dns = await startDnsServer(t);
  dns.set(dnsName, ['127.0.0.8', '127.0.0.9']);
  const gateway = await startDiscovering(t, dns, { port: 9, graceMs: 0, maxBackends: 3 });
  await until(() => backendIds(gateway).length === 2, { what: 'two backends' });
  dns.set(
    dnsName,
    Array.from({ length: 9 }, (_, index) => `127.0.0.${index + 1}`),
  );
  const { skipped, detail } = await gateway.waitFor('discovery.skipped');
  assert.deepEqual([skipped, detail], [6, 'over discovery.dns.maxBackends']);
  await assertReached(gateway, 'holdfast_discovery_backends', 3);
  await assertReached(gateway, 'holdfast_discovery_skipped_backends', 6);
  assert.deepEqual(backendIds(gateway).sort(), ['127.0.0.1-9', '127.0.0.8-9', '127.0.0.9-9']);
});

test('SRV records have ports and weights; a record without a usable target is passed over', async (t) => {
  const dns = await startDnsServer(t);
  const [backend] = await startAtOnePort(t, 1);
  const port = backend!.port;
  dns.set('one.test', ['127.0.0.1']);
  dns.set('two.test', ['127.0.0.2']);
  dns.set('spare.test', ['127.0.0.3']);
  const record = (target: string, weight: number, priority = 1) => ({ target, port, weight, priority });
  dns.set(dnsName, [
    record('one.test', 30),
    record('two.test', 10),
    record('gone.test', 10),
    record('spare.test', 1, 2),
  ]);
  const gateway = await startDiscovering(t, dns, { records: 'srv', path: '/chat?zone=a' });
  await until(() => backendIds(gateway).length === 2, { what: 'two backends' });
  assert.deepEqual(
    gateway.manager.backends().map(({ id, url, weight }) => [id, url, weight]),
    [
      [`127.0.0.1-${port}`, `ws://127.0.0.1:${port}/chat`, 30],
      [`127.0.0.2-${port}`, `ws://127.0.0.2:${port}/chat`, 10],
    ],
  );
  const client = await connect(t, gateway.url);
  await client.ask('hello');
  assert.equal(backend!.received()[0]?.url, '/chat?zone=a');

  dns.set(dnsName, [record('one.test', 5), record('two.test', 10)]);
  await until(() => gateway.manager.backend(`127.0.0.1-${port}`).weight === 5, { what: 'the new weight' });
  // Equal weights say nothing: those of Kubernetes change with the number of pods.
  dns.set(dnsName, [record('one.test', 50), record('two.test', 50)]);
  await until(() => gateway.manager.backends().every(({ weight }) => weight === 1), { what: 'no weights' });
});
