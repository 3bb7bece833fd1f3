/** Gateways in processes of their own on a real Redis: what is shown of all of them while one is frozen or dead, Redis is gone, or lies. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { GatewayPage } from '../../src/gateways/views.ts';
import type { StatsView } from '../../src/observe/stats.ts';
import type { PipePage, PipeView } from '../../src/pipe/views.ts';
import type { BackendPage } from '../../src/pool/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { type Client, connect } from '../support/client.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/cluster-process.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { until } from '../support/wait.ts';

const memberTtlMs = 2500;

interface Stage {
  readonly redis: RedisServer;
  readonly gateways: readonly [GatewayProcess, GatewayProcess, GatewayProcess];
  /** Of gw-0, gw-1, gw-2. */
  readonly ids: readonly string[];
  /** Two of each gateway, in this order. */
  readonly clients: readonly Client[];
}

async function pageOf(gateway: GatewayProcess, query = ''): Promise<PipePage & { tookMs: number }> {
  const { status, body, tookMs } = await gateway.admin('GET', `/pipes${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  return { ...(body as PipePage), tookMs };
}

const countRows = ({ pipes }: PipePage, ids: readonly string[]) =>
  ids.map((id) => pipes.filter(({ gateway }) => gateway === id).length);
const codeOf = ({ body }: { body: unknown }) => (body as { code: string }).code;

async function stage(t: TestContext): Promise<Stage> {
  needDebianPackages(t, 'redis-server');
  const backend = await startBackend(t, { tag: 'a' });
  const redis = await startRedis(t);
  const started = await Promise.all(
    [0, 1, 2].map((number) =>
      startGatewayProcess(t, redis.url, {
        backends: [{ url: backend.url, id: 'a' }],
        cluster: { name: `gw-${number}`, beatMs: 200, memberTtlMs },
      }),
    ),
  );
  const gateways = started as unknown as Stage['gateways'];
  const members = async (gateway: GatewayProcess) =>
    ((await gateway.admin('GET', '/gateways')).body as GatewayPage).gateways.map(({ id }) => id).sort();
  await until(async () => (await Promise.all(gateways.map(members))).every(({ length }) => length === 3), {
    timeoutMs: 10_000,
    what: 'three gateways that know each other',
  });
  const clients: Client[] = [];
  for (const { url } of gateways) for (let count = 0; count < 2; count += 1) clients.push(await connect(t, url));
  return { redis, gateways, ids: await members(gateways[0]), clients };
}

test('a gateway that is frozen is missing within a bounded time, and there again when it goes on', async (t) => {
  const { gateways, ids } = await stage(t);
  const [one, , frozen] = gateways;
  const whole = await pageOf(one);
  assert.deepEqual([countRows(whole, ids), whole.partial, whole.missing], [[2, 2, 2], false, []]);
  t.diagnostic(`three gateways in one page: ${whole.tookMs.toFixed(1)} ms`);
  const [lost] = whole.pipes.filter(({ gateway }) => gateway === ids[2]) as [PipeView];

  frozen.child.kill('SIGSTOP');
  const begun = performance.now();
  const [page, stats, backends, read, closed, of, rebalanced] = await Promise.all([
    pageOf(one),
    one.admin('GET', '/stats'),
    one.admin('GET', '/backends'),
    one.admin('GET', `/pipes/${lost.id}`),
    one.admin('DELETE', `/pipes/${lost.id}`),
    one.admin('GET', `/pipes?gateway=${ids[2]}`),
    one.admin('POST', '/backends/a/rebalance'),
  ]);
  const tookMs = performance.now() - begun;
  t.diagnostic(`all that can be asked, while one is frozen: ${tookMs.toFixed(0)} ms`);
  assert.ok(tookMs < 2000, `${tookMs} ms`);
  const told = { partial: true, missing: [ids[2]] };
  assert.deepEqual([countRows(page, ids), page.total], [[2, 2, 0], 4]);
  assert.deepEqual({ partial: page.partial, missing: page.missing }, told);
  const { pipes, partial, missing, gateways: rows } = stats.body as StatsView;
  assert.deepEqual([pipes.total, rows?.length, { partial, missing }], [4, 2, told]);
  const pool = backends.body as BackendPage;
  assert.deepEqual([pool.backends[0]?.fleet?.connections, { partial: pool.partial, missing: pool.missing }], [4, told]);
  for (const answer of [read, closed, of])
    assert.deepEqual([answer.status, codeOf(answer)], [504, 'HOLDFAST_ERR_PEER_SILENT']);
  assert.deepEqual((rebalanced.body as { missing: string[] }).missing, [ids[2]]);

  frozen.child.kill('SIGCONT');
  await until(async () => (await pageOf(one)).partial === false && (await pageOf(one)).total === 6, {
    timeoutMs: 10_000,
    what: 'the frozen one to be heard again',
  });
});

test('a gateway that was killed is missing until its beat lapses, and then it is gone', async (t) => {
  const { gateways, ids } = await stage(t);
  const [one, killed] = gateways;
  const exited = once(killed.child, 'exit');
  killed.child.kill('SIGKILL');
  await exited;
  const page = await pageOf(one, '?limit=3');
  assert.deepEqual([countRows(page, ids), page.missing], [[2, 0, 1], [ids[1]]]);
  const begun = performance.now();
  const after = await until(
    async () => {
      const next = await pageOf(one);
      return next.partial ? null : next;
    },
    { timeoutMs: 10_000, what: 'it to be gone' },
  );
  t.diagnostic(`gone after ${(performance.now() - begun).toFixed(0)} ms`);
  assert.deepEqual([countRows(after!, ids), after!.total], [[2, 0, 2], 4]);
  // A cursor of a gateway that is gone goes on behind it.
  const rest = await pageOf(one, `?cursor=${ids[1]}:1`);
  assert.deepEqual(countRows(rest, ids), [0, 0, 2]);
  const named = await one.admin('GET', `/stats?gateway=${ids[1]}`);
  assert.deepEqual([named.status, codeOf(named)], [404, 'HOLDFAST_ERR_GATEWAY_NOT_FOUND']);
});

test('without Redis a gateway shows what it has, says that there may be more, and closes its own pipes', async (t) => {
  const { redis, gateways, ids, clients } = await stage(t);
  const [one, two] = gateways;
  const { pipes } = await pageOf(one);
  const [own, other] = [ids[0], ids[1]].map((id) => pipes.find(({ gateway }) => gateway === id)) as PipeView[];
  await redis.kill();
  // From the first moment on, not only when it is known to be away.
  for (const known of [false, true]) {
    if (known)
      await until(async () => ((await one.admin('GET', '/gateways')).body as GatewayPage).up === false, {
        timeoutMs: 10_000,
      });
    const [page, stats] = await Promise.all([pageOf(one), one.admin('GET', '/stats')]);
    assert.deepEqual([countRows(page, ids), page.total, page.partial], [[2, 0, 0], 2, true]);
    assert.deepEqual(page.missing, [ids[1], ids[2]]);
    assert.ok(page.tookMs < 2500, `${page.tookMs} ms`);
    const { pipes: counted, partial } = stats.body as StatsView;
    assert.deepEqual([counted.total, partial], [2, true]);
  }
  assert.equal((await one.admin('GET', `/pipes/${own!.id}`)).status, 200);
  for (const [method, path] of [
    ['GET', `/pipes/${other!.id}`],
    ['DELETE', `/pipes/${other!.id}`],
    ['GET', `/stats?gateway=${ids[1]}`],
  ] as const) {
    const refused = await one.admin(method, path);
    assert.deepEqual([refused.status, codeOf(refused)], [503, 'HOLDFAST_ERR_STORE_UNAVAILABLE'], `${method} ${path}`);
  }
  const gone = once(clients[0]!.ws, 'close');
  assert.equal((await one.admin('DELETE', `/pipes/${own!.id}`)).status, 204);
  await gone;
  const back = await redis.restartEmpty(t);
  // An empty Redis knows of no gateway until its next beat.
  await until(
    async () => {
      const page = await pageOf(two);
      return !page.partial && countRows(page, ids).join() === '1,2,2';
    },
    { timeoutMs: 15_000, what: 'all to be heard again' },
  );
  assert.ok(back.running);
});

test('what strangers write to the channels changes nothing', async (t) => {
  const { redis, gateways, ids } = await stage(t);
  const [one] = gateways;
  const before = await pageOf(one);
  const answer = (body: unknown, id: number, from = 'gw-9.aaaaaa') =>
    JSON.stringify({ v: 1, type: 'answer', from, id, kind: 'pipe-rows', body });
  const row = { ...before.pipes[0], clientId: 'forged', gateway: undefined };
  const lies = [
    '',
    '{',
    'null',
    '\u0000'.repeat(1000),
    'x'.repeat(2_000_000),
    JSON.stringify({ v: 1, type: 'request', from: ids[1], id: 1, kind: 'pipe-close', body: { id: 17 } }),
    JSON.stringify({ v: 1, type: 'request', from: ids[1], id: 2, kind: 'pipe-rows', body: { limit: 1e9 } }),
    JSON.stringify({ v: 1, type: 'request', from: 'nobody', id: 3, kind: 'pipe', body: { id: row.id } }),
    JSON.stringify({ v: 1, type: 'hint', from: ids[1], id: 0, kind: 'pipe-rows', body: null }),
    ...Array.from({ length: 60 }, (_, id) => answer({ answer: { pipes: [row], total: 1, last: 1, more: true } }, id)),
    ...Array.from({ length: 60 }, (_, id) => answer({ answer: { total: 1e6, left: 1e6 } }, id)),
    // Long ago, by a gateway that was asked.
    ...Array.from({ length: 3 }, (_, id) => answer({ answer: { pipes: 'all' } }, id, ids[1])),
  ];
  let told = false;
  const telling = (async () => {
    for (const lie of lies)
      for (const channel of ['holdfast:all', `holdfast:to:${ids[0]}`]) await redis.command('PUBLISH', channel, lie);
    told = true;
  })();
  let pages = 0;
  while (!told) {
    const page = await pageOf(one, '?limit=4');
    assert.deepEqual([countRows(page, ids), page.total, page.partial], [[2, 2, 0], 6, false]);
    pages += 1;
  }
  await telling;
  assert.ok(pages > 10, `${pages} pages meanwhile`);
  assert.deepEqual(countRows(await pageOf(one), ids), [2, 2, 2]);
});
