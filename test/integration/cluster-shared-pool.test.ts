/** A backend that is registered, changed or removed on one gateway is so on all. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHub, MemoryStore } from '../../src/cluster/memory-store.ts';
import type { BackendView } from '../../src/pool/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { poolOf, startCluster } from '../support/cluster.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { UnsteadyStore } from '../support/unsteady-store.ts';
import { until } from '../support/wait.ts';

test('a registration on one gateway is used by the others at once, a change and a removal as well', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const [one, two, three] = await startCluster(t, 3);
  const registered = await one!.admin('POST', '/backends', { url: backend.url, id: 'a', labels: { zone: 'z' } });
  const begun = performance.now();
  assert.equal(registered.status, 201);
  const { revision } = registered.body as BackendView;
  assert.ok(revision! > 1);
  await until(() => three!.manager.pool.find('a') !== undefined);
  assert.ok(performance.now() - begun < 1000, 'a second or longer');
  const client = await connect(t, two!.url);
  assert.equal((await client.ask('hello')).text, 'a:hello');

  const page = await poolOf(three!);
  assert.equal(page.revision, revision);
  assert.deepEqual(page.missing, []);
  const [view] = page.backends;
  assert.deepEqual(view!.labels, { zone: 'z' });
  assert.equal(view!.connections, 0);
  assert.deepEqual(
    [view!.fleet?.gateways, view!.fleet?.usable, view!.fleet?.connections, view!.fleet?.totals.attached],
    [3, 3, 1, 1],
  );

  const changed = await two!.admin('PATCH', '/backends/a', { weight: 7, maxConnections: 5 });
  assert.equal(changed.status, 200);
  assert.ok((changed.body as BackendView).revision! > revision!);
  await until(() => one!.manager.pool.get('a').weight === 7 && three!.manager.pool.get('a').maxConnections === 5);

  assert.equal((await three!.admin('DELETE', '/backends/a?mode=force')).status, 204);
  await until(() => one!.manager.pool.size === 0 && two!.manager.pool.size === 0);
  assert.deepEqual((await poolOf(one!)).backends, []);
});

test('two that register at once both succeed; the same url or id only once', async (t) => {
  const [one, two] = await startCluster(t, 2);
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, number) =>
      (number % 2 === 0 ? one! : two!).admin('POST', '/backends', { url: `ws://127.0.0.1:${9001 + number}` }),
    ),
  );
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array.from({ length: 10 }, () => 201),
  );
  const same = await Promise.all([one!, two!].map((gateway) => gateway.admin('POST', '/backends', { url: 'ws://x' })));
  assert.deepEqual(same.map(({ status }) => status).sort(), [201, 409]);
  const loser = same.find(({ status }) => status === 409)?.body as { code: string };
  assert.equal(loser.code, 'HOLDFAST_ERR_BACKEND_EXISTS');
  await until(() => one!.manager.pool.size === 11 && two!.manager.pool.size === 11);
});

test('of two that change one backend at the same time one is told 409 with the revision that is there now', async (t) => {
  const hub = new MemoryHub();
  const stores = [new UnsteadyStore(hub), new UnsteadyStore(hub)];
  const [one, two] = await startCluster(t, 2, { store: (number) => stores[number]! });
  await one!.admin('POST', '/backends', { url: 'ws://127.0.0.1:9001', id: 'a' });
  await one!.admin('POST', '/backends', { url: 'ws://127.0.0.1:9002', id: 'b' });
  await until(() => two!.manager.pool.find('b') !== undefined);
  const change = async (other: string) => {
    const { put } = stores[0]!.calls;
    stores[0]!.hold('put');
    const late = one!.admin('PATCH', '/backends/a', { weight: 10 });
    await until(() => stores[0]!.calls.put! > put!);
    const winner = await two!.admin('PATCH', `/backends/${other}`, { weight: 11 });
    assert.equal(winner.status, 200);
    stores[0]!.release();
    return { winner: winner.body as BackendView, late: await late };
  };

  const { winner, late } = await change('a');
  assert.equal(late.status, 409);
  const loser = late.body as { code: string; message: string };
  assert.equal(loser.code, 'HOLDFAST_ERR_SHARED_CONFLICT');
  assert.ok(loser.message.includes(String(winner.revision)), loser.message);
  await until(() => [one!, two!].every(({ manager }) => manager.pool.get('a').weight === 11));

  // Of two backends both are changed.
  assert.equal((await change('b')).late.status, 200);
  await until(() =>
    [one!, two!].every(({ manager }) => manager.pool.get('a').weight === 10 && manager.pool.get('b').weight === 11),
  );
});

test('a backend that is removed drains on every gateway, and is gone when the last pipe has moved', async (t) => {
  const [a, b] = await Promise.all([startBackend(t, { tag: 'a' }), startBackend(t, { tag: 'b' })]);
  const [one, two] = await startCluster(t, 2, { backends: [{ url: a.url, id: 'a' }] });
  const clients = [await connect(t, one!.url), await connect(t, two!.url), await connect(t, two!.url)];
  for (const client of clients) assert.equal((await client.ask('1')).text, 'a:1');
  await one!.admin('POST', '/backends', { url: b.url, id: 'b' });
  await until(() => two!.manager.pool.find('b') !== undefined);

  const removed = await one!.admin('DELETE', '/backends/a');
  assert.equal(removed.status, 202);
  assert.equal((removed.body as BackendView).adminState, 'draining');
  assert.equal((await two!.admin('GET', '/backends/a')).status, 200);
  await until(async () => (await poolOf(two!)).backends.every(({ id }) => id === 'b'), { what: 'the end of a' });
  assert.deepEqual(
    [one!, two!].map(({ manager }) => manager.pool.list().map(({ id }) => id)),
    [['b'], ['b']],
  );
  for (const client of clients) assert.equal((await client.ask('2')).text, 'b:2');
  assert.equal([...one!.eventsOf('pipe.interrupted'), ...two!.eventsOf('pipe.interrupted')].length, 0);
});

test('a removal has its whole time on a gateway whose clock is ahead', async (t) => {
  const [a, b] = await Promise.all([startBackend(t, { tag: 'a' }), startBackend(t, { tag: 'b' })]);
  const hub = new MemoryHub();
  const stores = [new UnsteadyStore(hub), new UnsteadyStore(hub)];
  const [one, two] = await startCluster(t, 2, {
    backends: [{ url: a.url, id: 'a' }],
    store: (number) => stores[number]!,
  });
  const client = await connect(t, two!.url);
  assert.equal((await client.ask('1')).text, 'a:1');
  // Both have one clock: the other one looks at the removal when it is put right again.
  stores[1]!.hold('get');
  const { now } = Date;
  const behind = t.mock.method(Date, 'now', () => now() - 3_600_000);
  const removed = await one!.admin('DELETE', '/backends/a?timeoutMs=60000');
  behind.mock.restore();
  stores[1]!.release();
  assert.equal(removed.status, 202);
  await two!.waitFor('backend.draining');
  await one!.admin('POST', '/backends', { url: b.url, id: 'b' });
  await until(() => two!.manager.pool.find('a') === undefined, { what: 'the end of a' });
  assert.equal((await client.ask('2')).text, 'b:2');
  assert.equal(two!.eventsOf('pipe.interrupted').length, 0);
});

for (const [what, meanwhile] of [
  ['taken out', (two: TestGateway) => two.admin('DELETE', '/backends/a?mode=force')],
  ['enabled again', (two: TestGateway) => two.admin('PATCH', '/backends/a', { adminState: 'enabled' })],
] as const) {
  test(`the end of a removal is no error where another gateway was faster: ${what}`, async (t) => {
    const hub = new MemoryHub();
    const stores = [new UnsteadyStore(hub), new UnsteadyStore(hub)];
    const log = new LogCapture();
    const [one, two] = await startCluster(t, 2, {
      fastify: { logger: { level: 'error', stream: log } },
      backends: [{ url: 'ws://127.0.0.1:9001', id: 'a' }],
      store: (number) => stores[number]!,
    });
    const first = stores[0]!;
    assert.equal((await one!.admin('DELETE', '/backends/a')).status, 202);
    const put = first.put.bind(first);
    let ends = 0;
    first.put = async (...given) => {
      ends += 1;
      if (ends === 1) assert.ok((await meanwhile(two!)).status < 300);
      return put(...given);
    };
    await until(() => ends === 1, { what: 'the end of the removal' });
    // A change waits for the one before.
    assert.equal((await one!.admin('POST', '/backends', { url: 'ws://127.0.0.1:9002', id: 'b' })).status, 201);
    const ids = what === 'taken out' ? ['b'] : ['a', 'b'];
    assert.deepEqual((await poolOf(two!)).backends.map(({ id }) => id).sort(), ids);
    assert.equal(log.text, '');
  });
}

test('a drain that is to remove a backend is ended by enabling it again, on another gateway', async (t) => {
  const [a, b] = await Promise.all([
    startBackend(t, { tag: 'a' }),
    startBackend(t, { tag: 'b', handshakeDelayMs: 700 }),
  ]);
  const [one, two] = await startCluster(t, 2, { backends: [{ url: a.url, id: 'a' }] });
  const client = await connect(t, one!.url);
  assert.equal((await client.ask('1')).text, 'a:1');
  await one!.admin('POST', '/backends', { url: b.url, id: 'b' });
  assert.equal((await one!.admin('DELETE', '/backends/a')).status, 202);
  await until(() => two!.manager.pool.find('a') === undefined, { what: 'the gateway without a pipe to drop it' });
  assert.equal((await two!.admin('PATCH', '/backends/a', { adminState: 'enabled' })).status, 200);
  await until(() => [one!, two!].every(({ manager }) => manager.pool.find('a')?.enabled === true));
});

test('the backends of its own settings give way to what the others have', async (t) => {
  const hub = new MemoryHub();
  const start = (id: string, port: number) =>
    startGateway(t, { backends: [{ url: `ws://127.0.0.1:${port}`, id }], cluster: { store: new MemoryStore(hub) } });
  const idsOf = ({ manager }: TestGateway) => manager.backends().map(({ id }) => id);
  const one = await start('a', 9001);
  const two = await start('b', 9002);
  assert.deepEqual([idsOf(one), idsOf(two)], [['a'], ['a']]);
});
