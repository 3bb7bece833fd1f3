/** Every change through the admin API is told: who, what, before, after; so is every one that was refused. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { examplePipe } from '../../routes/schemas/pipe.ts';
import type { HoldfastEvents } from '../../src/observe/events.ts';
import { build } from '../support/fake-admin-target.ts';

const examplePipeId = examplePipe.id;
const token = 'deploy-token-1';
const auth = { tokens: [{ name: 'deploy', role: 'write', token }] } as const;
const as = { authorization: `Bearer ${token}` };

test('each route that changes something tells what was before and what is after', async (t) => {
  const { ask, target } = await build(t, { auth });
  const changed: HoldfastEvents['audit.changed'][] = [];
  target.events.on('audit.changed', (event) => changed.push(event));
  const one = { url: 'ws://one:9000/' };
  const cases: [Parameters<typeof ask>[0], string, unknown, string, string, object | null, object | null][] = [
    ['POST', '/backends', { url: 'ws://x:1/', id: 'x' }, 'registerBackend', 'x', null, { url: 'ws://x:1/' }],
    ['PATCH', '/backends/b1', { weight: 9 }, 'updateBackend', 'b1', one, { ...one, weight: 9 }],
    [
      'DELETE',
      '/backends/b1?mode=migrate',
      undefined,
      'removeBackend',
      'b1',
      { adminState: 'enabled' },
      { adminState: 'draining' },
    ],
    ['DELETE', '/backends?url=ws://one:9000/&mode=force', undefined, 'removeBackendByUrl', 'b1', one, null],
    ['POST', '/backends/b1/rebalance', undefined, 'rebalanceBackend', 'b1', null, { planned: 3 }],
    ['DELETE', `/pipes/${examplePipeId}`, undefined, 'closePipe', examplePipeId, { state: 'open' }, null],
    [
      'POST',
      `/pipes/${examplePipeId}/interrupt`,
      undefined,
      'interruptPipe',
      examplePipeId,
      { state: 'open' },
      { state: 'interrupted' },
    ],
    ['PATCH', '/config/heartbeat', { client: { intervalMs: 5000 } }, 'updateHeartbeat', 'heartbeat', {}, {}],
    [
      'PATCH',
      '/config/buffer',
      { onFull: 'pause' },
      'updateBuffer',
      'buffer',
      { onFull: 'close' },
      { onFull: 'pause' },
    ],
  ];
  for (const [method, url, body, action, subject, before, after] of cases) {
    const answer = await ask(method, url, body, as);
    const told = changed.at(-1);
    assert.ok(
      told !== undefined && changed.length === cases.findIndex(([, one]) => one === url) + 1,
      `${method} ${url}`,
    );
    const { actor, role, actorIp } = told;
    assert.deepEqual(
      [actor, role, actorIp, told.action, told.target],
      ['deploy', 'write', '127.0.0.1', action, subject],
    );
    assert.equal(told.statusCode, answer.statusCode);
    assert.equal(told.pipeId, url.startsWith('/pipes') ? examplePipeId : undefined);
    holds(told.before, before, `${method} ${url} before`);
    holds(told.after, after, `${method} ${url} after`);
  }
  const heartbeat = changed.find(({ target: subject }) => subject === 'heartbeat');
  const intervals = [heartbeat?.before, heartbeat?.after].map(
    (one) => (one as { client: { intervalMs: number } }).client.intervalMs,
  );
  assert.deepEqual(intervals, [25_000, 5000]);
  assert.doesNotMatch(JSON.stringify(changed), /secret|deploy-token/);
});

test('there is no route that changes something and is left out of the audit', async (t) => {
  const { app, ask, target } = await build(t, { auth });
  let told = 0;
  target.events.on('audit.changed', () => {
    told += 1;
  });
  target.events.on('audit.refused', () => {
    told += 1;
  });
  const { paths } = (await app.inject('/docs/json')).json<{ paths: Record<string, Record<string, unknown>> }>();
  let asked = 0;
  for (const [path, operations] of Object.entries(paths)) {
    for (const method of Object.keys(operations).filter((one) => one !== 'get' && one !== 'servers')) {
      await ask(method.toUpperCase() as 'POST', path.replace('{id}', 'b1'), undefined, as);
      asked += 1;
      assert.equal(told, asked, `${method} ${path}`);
    }
  }
  assert.ok(asked >= 9);
});

test('GET /audit shows the last changes and refusals, newest first, the ones apart from the others', async (t) => {
  const { app, ask, target } = await build(t, { auth, maxFailures: 0 });
  for (let weight = 1; weight <= 501; weight += 1) await ask('PATCH', '/backends/b1', { weight }, as);
  for (let count = 0; count < 150; count += 1)
    await ask('GET', '/pipes', undefined, { authorization: 'Bearer wrong-token' });
  const refused = await ask('PATCH', '/backends/b1', { weight: 'secret-value' }, as);
  assert.equal(refused.statusCode, 400);
  await ask('POST', '/backends', { url: 'http://user:secret-password@x/' }, as);
  const { changes, refusals } = (await ask('GET', '/audit', undefined, as)).json<{
    changes: { after: { weight: number } }[];
    refusals: Record<string, unknown>[];
  }>();
  assert.deepEqual([changes.length, refusals.length], [500, 100]);
  assert.equal(changes[0]?.after.weight, 501);
  assert.equal(changes[499]?.after.weight, 2);
  const { at, ...last } = refusals[1]!;
  assert.match(String(at), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  const validation = { statusCode: 400, code: 'HOLDFAST_ERR_VALIDATION' };
  assert.deepEqual(last, {
    actor: 'deploy',
    actorIp: '127.0.0.1',
    method: 'PATCH',
    route: '/backends/:id',
    ...validation,
  });
  assert.equal(refusals[2]?.['actor'], null);
  assert.doesNotMatch(JSON.stringify({ changes, refusals }), /secret|wrong-token|deploy-token/);
  target.failure = new Error('secret');
  assert.equal((await ask('DELETE', '/backends/b1', undefined, as)).statusCode, 500);
  assert.equal((await app.inject({ url: '/audit', headers: as })).json().refusals[0].code, 'HOLDFAST_ERR_INTERNAL');
});

/** Every key of `expected` is in `value` with its value; null is null. */
function holds(value: unknown, expected: object | null, what: string): void {
  if (expected === null) {
    assert.equal(value, null, what);
    return;
  }
  assert.ok(typeof value === 'object' && value !== null, what);
  assert.deepEqual({ ...value, ...expected }, value, what);
}
