/** GET /pipes of any gateway lists the pipes of all, page by page. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Value } from 'typebox/value';
import { PipePageSchema } from '../../routes/schemas/pipe.ts';
import type { PipePage } from '../../src/pipe/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { membersOf, startCluster } from '../support/cluster.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

async function pageOf(gateway: TestGateway, query = ''): Promise<PipePage> {
  const { status, body } = await gateway.admin('GET', `/pipes${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  assert.ok(Value.Check(PipePageSchema, body), 'it does not fit its schema');
  return body as PipePage;
}

async function stage(t: TestContext, clients: readonly number[]) {
  const backend = await startBackend(t, { tag: 'a' });
  const gateways = await startCluster(t, clients.length, {
    backends: [{ url: backend.url, id: 'a' }],
    path: '/ws/:clientId',
  });
  const ids = (await membersOf(gateways[0]!)).sort();
  for (const [at, count] of clients.entries())
    for (let number = 0; number < count; number += 1)
      await connect(t, `${gateways[at]!.url.replace('/:clientId', '')}/c-${at}-${number}`);
  return { gateways, ids, backend };
}

test('rows of all gateways, each with the id of its gateway, sorted by gateway and age', async (t) => {
  const { gateways, ids } = await stage(t, [2, 0, 3]);
  const expected = [
    ['c-0-0', ids[0]],
    ['c-0-1', ids[0]],
    ['c-2-0', ids[2]],
    ['c-2-1', ids[2]],
    ['c-2-2', ids[2]],
  ];
  for (const gateway of gateways) {
    const { pipes, ...rest } = await pageOf(gateway);
    assert.deepEqual(
      pipes.map((pipe) => [pipe.clientId, pipe.gateway]),
      expected,
    );
    assert.deepEqual(rest, { total: 5, next: null, partial: false, missing: [] });
  }
  const seen: string[] = [];
  for (let cursor: string | null = '', pages = 0; cursor !== null; pages += 1) {
    // Whichever is asked: a cursor is of all of them.
    const page: PipePage = await pageOf(gateways[pages % 3]!, `?limit=2${cursor && `&cursor=${cursor}`}`);
    assert.equal(page.total, 5);
    assert.ok(page.pipes.length <= 2);
    seen.push(...page.pipes.map(({ clientId }) => clientId));
    cursor = page.next;
  }
  assert.deepEqual(
    seen,
    expected.map(([clientId]) => clientId),
  );
});

test('filters hold over all gateways, and one gateway alone can be asked for', async (t) => {
  const { gateways, ids } = await stage(t, [2, 3]);
  const [one, two] = gateways as [TestGateway, TestGateway];
  const clients = (page: PipePage) => page.pipes.map(({ clientId }) => clientId);
  assert.deepEqual(clients(await pageOf(one, '?clientId=c-1-1')), ['c-1-1']);
  assert.equal((await pageOf(one, '?backendId=a')).total, 5);
  assert.deepEqual(await pageOf(two, '?state=interrupted'), {
    pipes: [],
    total: 0,
    next: null,
    partial: false,
    missing: [],
  });

  const own = await pageOf(one, '?gateway=self');
  assert.deepEqual([clients(own), own.total], [['c-0-0', 'c-0-1'], 2]);
  assert.deepEqual(clients(await pageOf(two, `?gateway=${ids[0]}`)), ['c-0-0', 'c-0-1']);
  const first = await pageOf(one, `?gateway=${ids[1]}&limit=2`);
  assert.deepEqual([clients(first), first.total], [['c-1-0', 'c-1-1'], 3]);
  assert.deepEqual(clients(await pageOf(one, `?gateway=${ids[1]}&cursor=${first.next}`)), ['c-1-2']);

  for (const [query, status, code] of [
    ['?gateway=gw-9.aaaaaa', 404, 'HOLDFAST_ERR_GATEWAY_NOT_FOUND'],
    ['?cursor=17', 400, 'HOLDFAST_ERR_CURSOR'],
    [`?cursor=${ids[0]}:x`, 400, 'HOLDFAST_ERR_CURSOR'],
    [`?cursor=${ids[0]}:1:1`, 400, 'HOLDFAST_ERR_CURSOR'],
    [`?cursor=${'g'.repeat(65)}:0`, 400, 'HOLDFAST_ERR_CURSOR'],
  ] as const) {
    const refused = await one.admin('GET', `/pipes${query}`);
    assert.deepEqual([refused.status, (refused.body as { code: string }).code], [status, code], query);
  }
});

test('a client that says anything of its address hides no row of its gateway', async (t) => {
  const backend = await startBackend(t);
  const fastify = { trustProxy: true };
  const gateways = await startCluster(t, 2, { backends: [backend.url], fastify });
  const [one, two] = gateways as [TestGateway, TestGateway];
  for (const said of ['x'.repeat(5000), `fe80::1%${'x'.repeat(5000)}`, '::2'])
    await connect(t, one.url, { headers: { 'x-forwarded-for': said } });
  const { pipes, partial } = await pageOf(two);
  assert.deepEqual([pipes.map(({ clientIp }) => clientIp), partial], [['127.0.0.1', '127.0.0.1', '::2'], false]);
});

test('a gateway without others has rows as before, and knows no other gateway than itself', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, { backends: [backend.url] });
  await connect(t, gateway.url);
  const page = await pageOf(gateway);
  assert.deepEqual(Object.keys(page), ['pipes', 'total', 'next']);
  assert.ok(!('gateway' in page.pipes[0]!));
  assert.equal((await pageOf(gateway, '?gateway=self')).total, 1);
  assert.equal((await gateway.admin('GET', '/pipes?gateway=gw-1.aaaaaa')).status, 404);
  assert.equal((await gateway.admin('GET', '/stats?gateway=gw-1.aaaaaa')).status, 404);
  assert.equal((await gateway.admin('GET', '/stats?gateway=self')).status, 200);
});
