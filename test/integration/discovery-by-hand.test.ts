import assert from 'node:assert/strict';
import test from 'node:test';
import { connect } from '../support/client.ts';
import type { Owner } from '../support/owner.ts';
import { until } from '../support/wait.ts';
import {
  backendIds,
  dnsName,
  nextLookup,
  startAtOnePort,
  startDiscovering,
  startDnsServer,
} from './discovery-scenario.ts';

test('a backend that was found is not deleted by hand, and the refusal says what to do; disabled by hand it stays so', async (t) => {
  const dns = await startDnsServer(t);
  dns.set(dnsName, ['127.0.0.1']);
  const gateway = await startDiscovering(t, dns, { port: 9 });
  await until(() => backendIds(gateway).length === 1, { what: 'the backend' });
  for (const path of ['/backends/127.0.0.1-9', '/backends/127.0.0.1-9?mode=force', '/backends?url=ws://127.0.0.1:9/']) {
    const { status, body } = await gateway.admin('DELETE', path);
    const { code, message } = body as { code: string; message: string };
    assert.deepEqual([status, code], [409, 'HOLDFAST_ERR_BACKEND_DISCOVERED'], path);
    assert.match(message, /adminState/);
  }
  const { status } = await gateway.admin('PATCH', '/backends/127.0.0.1-9', { adminState: 'disabled' });
  assert.equal(status, 200);
  await nextLookup(gateway, 'ok');
  assert.equal(gateway.manager.backend('127.0.0.1-9').adminState, 'disabled');
});

test('a backend that was registered by hand is left alone, whether DNS names it or not', async (t) => {
  const dns = await startDnsServer(t);
  dns.set(dnsName, ['127.0.0.1', '127.0.0.2']);
  const mine = { url: 'ws://127.0.0.1:9', id: 'mine', weight: 7 };
  const gateway = await startDiscovering(t, dns, { port: 9, graceMs: 0 }, { backends: [mine] });
  await until(() => backendIds(gateway).length === 2, { what: 'the other one' });
  assert.deepEqual(backendIds(gateway), ['mine', '127.0.0.2-9']);
  assert.equal(gateway.eventsOf('discovery.skipped').length, 0);
  dns.set(dnsName, ['127.0.0.2']);
  await nextLookup(gateway, 'ok');
  assert.deepEqual(backendIds(gateway), ['mine', '127.0.0.2-9']);
  dns.set(dnsName, ['127.0.0.1', '127.0.0.2']);
  const { status } = await gateway.admin('DELETE', '/backends/mine');
  assert.equal(status, 204);
  await until(() => backendIds(gateway).includes('127.0.0.1-9'), { what: 'DNS to bring it back' });
});

/** A backend that has left DNS and is drained for it, without end: its one pipe has nowhere to go. */
async function startLeaving(t: Owner) {
  const dns = await startDnsServer(t);
  const [backend] = await startAtOnePort(t, 1);
  const id = `127.0.0.1-${backend!.port}`;
  dns.set(dnsName, ['127.0.0.1', '127.0.0.3']);
  const gateway = await startDiscovering(t, dns, { port: backend!.port }, { drain: { timeoutMs: 60_000 } });
  await until(() => backendIds(gateway).length === 2, { what: 'both backends' });
  const client = await connect(t, gateway.url);
  await client.ask('hello');
  dns.set(dnsName, ['127.0.0.3']);
  await until(() => gateway.manager.backend(id).drain !== null, { what: 'the drain' });
  return { dns, gateway, client, id };
}

test('a backend that comes back to DNS while it is drained is used again', async (t) => {
  const { dns, gateway, client, id } = await startLeaving(t);
  dns.set(dnsName, ['127.0.0.1', '127.0.0.3']);
  await until(() => gateway.manager.backend(id).adminState === 'enabled', { what: 'the end of the drain' });
  assert.equal(gateway.manager.backend(id).drain, null);
  assert.match((await client.ask('still there')).text, /still there/);
  assert.equal(gateway.eventsOf('discovery.changed').at(-1)?.returned, 1);
});

test('a backend that DNS names no more and whose drain was ended by hand is taken out after another grace', async (t) => {
  const { gateway, client, id } = await startLeaving(t);
  for (const adminState of ['disabled', 'enabled']) {
    assert.equal((await gateway.admin('PATCH', `/backends/${id}`, { adminState })).status, 200);
    assert.equal(gateway.manager.backend(id).drain, null, adminState);
    await until(() => gateway.manager.backend(id).drain !== null, { what: `the drain after ${adminState}` });
  }
  client.close();
  await until(() => !backendIds(gateway).includes(id), { what: 'it to be gone' });
});

test('a backend that is drained because DNS names it no more can be removed at once by hand', async (t) => {
  const { gateway, id } = await startLeaving(t);
  const again = await gateway.admin('DELETE', `/backends/${id}`);
  assert.deepEqual([again.status, (again.body as { code: string }).code], [409, 'HOLDFAST_ERR_BACKEND_DRAINING']);
  assert.equal((await gateway.admin('DELETE', `/backends/${id}?mode=force`)).status, 204);
  assert.ok(!backendIds(gateway).includes(id));
  await nextLookup(gateway, 'ok');
  assert.ok(!backendIds(gateway).includes(id));
});

test('a backend that was removed for its failures is back only after it was missing', async (t) => {
  const dns = await startDnsServer(t);
  const [backend] = await startAtOnePort(t, 1);
  const dead = `127.0.0.2-${backend!.port}`;
  dns.set(dnsName, ['127.0.0.1', '127.0.0.2']);
  const pool = { maxErrors: 1, balancing: 'round-robin' } as const;
  const gateway = await startDiscovering(t, dns, { port: backend!.port }, { pool });
  await until(() => backendIds(gateway).length === 2, { what: 'both backends' });
  await Promise.all([connect(t, gateway.url), connect(t, gateway.url)]);
  assert.equal((await gateway.waitFor('backend.removed')).cause, 'max-errors');
  await nextLookup(gateway, 'ok', 3);
  assert.ok(!backendIds(gateway).includes(dead));
  dns.set(dnsName, ['127.0.0.1']);
  await nextLookup(gateway, 'ok', 5);
  dns.set(dnsName, ['127.0.0.1', '127.0.0.2']);
  await until(() => backendIds(gateway).includes(dead), { what: 'it to be back' });
});
