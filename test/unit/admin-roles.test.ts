/** A token of the role read may look at everything and change nothing. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import type { HoldfastEvents } from '../../src/observe/events.ts';
import { build } from '../support/fake-admin-target.ts';

const reader = 'reader-token-1';
const writer = 'writer-token-1';
const auth = {
  tokens: [
    { name: 'grafana', role: 'read', token: reader },
    { name: 'deploy', role: 'write', sha256: createHash('sha256').update(writer).digest('hex').toUpperCase() },
    'plain-token-1',
  ],
} as const;
const reads = [
  '/backends',
  '/backends/b1',
  '/pipes',
  '/pipes/p-7f3c21',
  '/config/heartbeat',
  '/config/buffer',
  '/audit',
  '/metrics',
];
const changes = [
  ['POST', '/backends', { url: 'ws://x:1/' }],
  ['PATCH', '/backends/b1', { weight: 2 }],
  ['DELETE', '/backends/b1?mode=force', undefined],
  ['DELETE', '/backends?url=ws://one:9000/&mode=force', undefined],
  ['POST', '/backends/b1/rebalance', undefined],
  ['DELETE', '/pipes/p-7f3c21', undefined],
  ['POST', '/pipes/p-7f3c21/interrupt', undefined],
  ['PATCH', '/config/heartbeat', { client: { intervalMs: 5000 } }],
  ['PATCH', '/config/buffer', { onFull: 'pause' }],
] as const;

test('every change needs the role write, every look the role read', async (t) => {
  const { app, target, ask } = await build(t, { auth });
  const { paths } = (await app.inject('/docs/json')).json<{ paths: Record<string, Record<string, unknown>> }>();
  const known = Object.values(paths).flatMap((item) => Object.keys(item).filter((one) => !/^(get|servers)$/.test(one)));
  assert.equal(changes.length, known.length, 'all of them are tried here');
  const refused: HoldfastEvents['audit.refused'][] = [];
  target.events.on('audit.refused', (event) => refused.push(event));
  const read = { authorization: `Bearer ${reader}` };
  for (const url of reads) assert.equal((await ask('GET', url, undefined, read)).statusCode, 200, url);
  assert.equal((await ask('HEAD', '/backends', undefined, read)).statusCode, 200);
  const before = target.calls.length;
  for (const [method, url, body] of changes) {
    const answer = await ask(method, url, body, read);
    assert.deepEqual([answer.statusCode, answer.json().code], [403, 'HOLDFAST_ERR_FORBIDDEN'], url);
    assert.equal(
      answer.headers['www-authenticate'],
      'Bearer realm="holdfast", error="insufficient_scope", scope="write"',
    );
    assert.equal(refused.at(-1)?.actor, 'grafana');
    assert.equal(refused.at(-1)?.method, method);
  }
  assert.equal(target.calls.length, before, 'nothing was asked of the gateway');
  assert.equal(refused.length, changes.length);
  for (const token of [writer, 'plain-token-1']) {
    const write = { authorization: `Bearer ${token}` };
    for (const [method, url, body] of changes) {
      const { statusCode } = await ask(method, url, body, write);
      assert.ok(statusCode < 300, `${method} ${url} ${statusCode}`);
    }
    for (const url of reads) assert.equal((await ask('GET', url, undefined, write)).statusCode, 200, url);
  }
  assert.equal(
    (await ask('GET', '/backends', undefined, { authorization: `Bearer ${auth.tokens[1].sha256}` })).statusCode,
    401,
  );
});

test('the hook of the host says who it is; a role that does not exist lets nobody in', async (t) => {
  const { app, target } = await build(t, {
    auth: async (request) => JSON.parse(String(request.headers['x-identity'])) as unknown,
  });
  const changed: HoldfastEvents['audit.changed'][] = [];
  target.events.on('audit.changed', (event) => changed.push(event));
  const patch = async (identity: unknown) => {
    const answer = await app.inject({
      method: 'PATCH',
      url: '/backends/b1',
      payload: { weight: 2 },
      headers: { 'x-identity': JSON.stringify(identity) },
    });
    return answer.statusCode;
  };
  assert.equal(await patch({ name: 'ada@example.com', role: 'write' }), 200);
  assert.deepEqual([changed.at(-1)?.actor, changed.at(-1)?.role], ['ada@example.com', 'write']);
  assert.equal(await patch({ name: 'bob', role: 'read' }), 403);
  assert.equal(await patch({ name: 'eve', role: 'admin' }), 500);
  assert.equal(await patch({ role: null }), 500);
  assert.equal(await patch({}), 200);
  assert.equal(changed.at(-1)?.actor, 'host');
  assert.equal(await patch({ name: 'line\nbreak' }), 200);
  assert.equal(changed.at(-1)?.actor, 'line break');
  assert.equal(changed.length, 3);
});

test('a hook of the host that finds nobody lets nobody in, whatever it returns for that', async (t) => {
  let found: unknown;
  const { app, target } = await build(t, { auth: async () => found, maxFailures: 0 });
  const change = async (answer: unknown) => {
    found = answer;
    return (await app.inject({ method: 'DELETE', url: '/backends/b1?mode=force' })).statusCode;
  };
  for (const nobody of [
    false,
    null,
    0,
    1,
    '',
    'ada',
    [],
    [{ name: 'ada', role: 'write' }],
    Number.NaN,
    0n,
    Symbol('ada'),
    () => true,
  ])
    assert.equal(await change(nobody), 401, String(nobody));
  assert.deepEqual(target.calls, []);
  for (const somebody of [undefined, true, { name: 'ada' }]) assert.equal(await change(somebody), 204);
});
