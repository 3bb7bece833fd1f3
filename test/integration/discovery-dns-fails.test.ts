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
import { assertReached, readSeries } from './limits-scenario.ts';

test('DNS that is silent, refuses, fails, is gone, answers garbage or knows the name no more: the backends stay, and it is told once', async (t) => {
  const dns = await startDnsServer(t);
  const backends = await startAtOnePort(t, 2);
  dns.set(dnsName, ['127.0.0.1', '127.0.0.2']);
  const gateway = await startDiscovering(t, dns, { port: backends[0]!.port, records: 'a', graceMs: 0 });
  await until(() => backendIds(gateway).length === 2, { what: 'both backends' });
  const client = await connect(t, gateway.url);
  assert.equal(await readSeries(gateway, 'holdfast_discovery_up'), 1);
  assert.equal(await readSeries(gateway, 'holdfast_discovery_backends'), 2);

  const trouble = async (what: string, detail: RegExp, result = 'failed') => {
    const told = gateway.eventsOf('discovery.failed').length;
    await nextLookup(gateway, result);
    const failures = gateway.eventsOf('discovery.failed').slice(told);
    assert.equal(failures.length, 1, `${what} is told once`);
    assert.match(failures[0]!.detail, detail, what);
    assert.equal(backendIds(gateway).length, 2, what);
    assert.equal(await readSeries(gateway, 'holdfast_discovery_up'), 0, what);
    assert.ok((await readSeries(gateway, `holdfast_discovery_lookups_total{result="${result}"}`)) >= 2);
  };
  const mended = async () => {
    dns.mode = 'serve';
    const before = gateway.eventsOf('discovery.recovered').length;
    await until(() => gateway.eventsOf('discovery.recovered').length > before, { what: 'DNS to be well again' });
  };
  for (const [mode, detail] of [
    ['silent', /ETIMEOUT/],
    ['servfail', /ESERVFAIL/],
    ['refused', /EREFUSED/],
    ['garbage', /EBADRESP|ETIMEOUT/],
  ] as const) {
    dns.mode = mode;
    await trouble(mode, detail);
    await mended();
  }
  await assertReached(gateway, 'holdfast_discovery_lookups_total{result="failed"}');
  await dns.stop();
  await trouble('gone', /ECONNREFUSED|ETIMEOUT/);
  await dns.start();
  await mended();
  for (const records of [null, []]) {
    dns.set(dnsName, records);
    await trouble('no address', /has no address/, 'empty');
    dns.set(dnsName, ['127.0.0.1', '127.0.0.2']);
    await mended();
  }
  assert.match((await client.ask('still there')).text, /still there$/);
  assert.equal(gateway.eventsOf('pipe.interrupted').length, 0);
  assert.equal(gateway.eventsOf('backend.removed').length, 0);
});

test('where half of the question has no answer, who is named joins and nobody leaves', async (t) => {
  const dns = await startDnsServer(t);
  const [backend] = await startAtOnePort(t, 1);
  dns.set(dnsName, ['127.0.0.1', '127.0.0.2']);
  const gateway = await startDiscovering(t, dns, { port: backend!.port, graceMs: 0 });
  await until(() => backendIds(gateway).length === 2, { what: 'both backends' });
  dns.modes.AAAA = 'servfail';
  dns.set(dnsName, ['127.0.0.1', '127.0.0.3']);
  await nextLookup(gateway, 'partial', 3);
  assert.deepEqual(
    backendIds(gateway).map((id) => id.replace(/-\d+$/, '')),
    ['127.0.0.1', '127.0.0.2', '127.0.0.3'],
  );
  assert.match((await gateway.waitFor('discovery.failed')).detail, /^AAAA of .*: ESERVFAIL$/);
  delete dns.modes.AAAA;
  await until(() => backendIds(gateway).length === 2, { what: 'the one that is missing to leave' });
});

test('with onEmpty remove an answer without addresses takes all away', async (t) => {
  const dns = await startDnsServer(t);
  const [backend] = await startAtOnePort(t, 1);
  dns.set(dnsName, ['127.0.0.1']);
  const gateway = await startDiscovering(t, dns, { port: backend!.port, onEmpty: 'remove' });
  await until(() => backendIds(gateway).length === 1, { what: 'the backend' });
  dns.set(dnsName, null);
  await until(() => backendIds(gateway).length === 0, { what: 'no backend' });
  assert.equal(gateway.manager.readiness().ready, false);
  await nextLookup(gateway, 'ok');
  assert.equal(await readSeries(gateway, 'holdfast_discovery_up'), 1, 'the answer is taken as it is');
  assert.deepEqual(gateway.eventsOf('discovery.failed'), []);
});
