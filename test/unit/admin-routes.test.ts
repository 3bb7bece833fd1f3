import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { LightMyRequestResponse } from 'fastify';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { BackendListSchema, BackendSchema } from '../../routes/schemas/backend.ts';
import { ReadinessSchema } from '../../routes/schemas/health.ts';
import { HeartbeatChangedSchema, HeartbeatConfigSchema } from '../../routes/schemas/heartbeat.ts';
import { PipeDetailSchema, PipePageSchema, PipeSchema } from '../../routes/schemas/pipe.ts';
import type { PipeDetail, PipePage } from '../../src/pipe/views.ts';
import type { BackendView } from '../../src/pool/views.ts';
import { build } from '../support/fake-admin-target.ts';

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
type Same<A, B> = [A, B] extends [B, A] ? true : false;
/** The compiler refuses this file when a view and its schema part. */
const inStep: [
  Same<BackendView, DeepReadonly<Static<typeof BackendSchema>>>,
  Same<PipeDetail, DeepReadonly<Static<typeof PipeDetailSchema>>>,
  Same<PipePage, DeepReadonly<Static<typeof PipePageSchema>>>,
] = [true, true, true];

function fits(answer: LightMyRequestResponse, status: number, schema: TSchema): void {
  assert.equal(answer.statusCode, status, answer.body);
  assert.match(String(answer.headers['content-type']), /^application\/json/);
  assert.deepEqual([...Value.Errors(schema, answer.json())], []);
  assert.deepEqual(Value.Clean(schema, answer.json()), answer.json(), 'a key that the schema does not know');
}

function fails(answer: LightMyRequestResponse, statusCode: number, code: string): string {
  assert.equal(answer.statusCode, statusCode, answer.body);
  const body = answer.json<{ message: string }>();
  assert.deepEqual(Object.keys(body), ['statusCode', 'code', 'error', 'message']);
  assert.deepEqual({ ...body, error: '', message: '' }, { statusCode, code, error: '', message: '' });
  return body.message;
}

test('views and schemas are in step', () => assert.deepEqual(inStep, [true, true, true]));

test('the pool is listed and read', async (t) => {
  const { ask } = await build(t);
  fits(await ask('GET', '/backends'), 200, BackendListSchema);
  fits(await ask('GET', '/backends/b1'), 200, BackendSchema);
  assert.match(fails(await ask('GET', '/backends/zz'), 404, 'HOLDFAST_ERR_BACKEND_NOT_FOUND'), /zz/);
  assert.equal((await ask('HEAD', '/backends/b1')).statusCode, 200);
});

test('a backend is registered', async (t) => {
  const { ask, target } = await build(t);
  const full = { url: 'ws://x:1/', id: 'x.1', weight: 2, maxConnections: null, labels: { zone: 'a' } };
  const answer = await ask('POST', '/backends', full);
  fits(answer, 201, BackendSchema);
  assert.equal(answer.headers.location, '/backends/x.1');
  assert.deepEqual(target.calls, [['registerBackend', full]]);
  fails(await ask('POST', '/backends', { url: 'http://x:1/' }), 400, 'HOLDFAST_ERR_BACKEND_URL');
  fails(await ask('POST', '/backends', { url: 'ws://x:1/', id: 'b1' }), 409, 'HOLDFAST_ERR_BACKEND_EXISTS');
});

test('a backend is changed', async (t) => {
  const { ask, target } = await build(t);
  fits(
    await ask('PATCH', '/backends/b1', { weight: 5, adminState: 'disabled', maxConnections: 1 }),
    200,
    BackendSchema,
  );
  assert.deepEqual(target.calls, [['updateBackend', 'b1', { weight: 5, adminState: 'disabled', maxConnections: 1 }]]);
  fails(await ask('PATCH', '/backends/zz', { weight: 5 }), 404, 'HOLDFAST_ERR_BACKEND_NOT_FOUND');
});

test('a backend is removed by id and by url', async (t) => {
  const { ask, target } = await build(t);
  fits(await ask('DELETE', '/backends/b1'), 202, BackendSchema);
  fits(await ask('DELETE', '/backends/b1?mode=migrate&timeoutMs=500'), 202, BackendSchema);
  const forced = await ask('DELETE', '/backends/b1?mode=force');
  assert.deepEqual([forced.statusCode, forced.body], [204, '']);
  const url = encodeURIComponent('ws://one:9000/');
  fits(await ask('DELETE', `/backends?url=${url}&timeoutMs=9`), 202, BackendSchema);
  assert.equal((await ask('DELETE', `/backends?url=${url}&mode=force`)).statusCode, 204);
  assert.deepEqual(target.calls, [
    ['removeBackend', 'b1', { mode: 'migrate' }],
    ['removeBackend', 'b1', { mode: 'migrate', timeoutMs: 500 }],
    ['removeBackend', 'b1', { mode: 'force' }],
    ['removeBackend', 'b1', { mode: 'migrate', timeoutMs: 9 }],
    ['removeBackend', 'b1', { mode: 'force' }],
  ]);
  fails(await ask('DELETE', '/backends/zz'), 404, 'HOLDFAST_ERR_BACKEND_NOT_FOUND');
  fails(await ask('DELETE', '/backends?url=ws://zz'), 404, 'HOLDFAST_ERR_BACKEND_NOT_FOUND');
  fails(await ask('DELETE', '/backends/b2'), 409, 'HOLDFAST_ERR_BACKEND_DRAINING');
  assert.match(fails(await ask('DELETE', '/backends'), 400, 'HOLDFAST_ERR_VALIDATION'), /^url is missing/);
});

test('pipes are listed, read, interrupted and closed', async (t) => {
  const { ask, target } = await build(t);
  fits(await ask('GET', '/pipes'), 200, PipePageSchema);
  fits(await ask('GET', '/pipes?state=open&backendId=b1&clientId=alice&limit=1000&cursor=c'), 200, PipePageSchema);
  fits(await ask('GET', '/pipes/p-7f3c21'), 200, PipeDetailSchema);
  fits(await ask('POST', '/pipes/p-7f3c21/interrupt'), 202, PipeSchema);
  const closed = await ask('DELETE', '/pipes/p-7f3c21');
  assert.deepEqual([closed.statusCode, closed.body], [204, '']);
  assert.deepEqual(target.calls, [
    ['pipes', { limit: 100 }],
    ['pipes', { state: 'open', backendId: 'b1', clientId: 'alice', limit: 1000, cursor: 'c' }],
    ['interruptPipe', 'p-7f3c21'],
    ['closePipe', 'p-7f3c21'],
  ]);
  fails(await ask('GET', '/pipes/zz'), 404, 'HOLDFAST_ERR_PIPE_NOT_FOUND');
  fails(await ask('DELETE', '/pipes/zz'), 404, 'HOLDFAST_ERR_PIPE_NOT_FOUND');
  fails(await ask('POST', '/pipes/zz/interrupt'), 404, 'HOLDFAST_ERR_PIPE_NOT_FOUND');
  fails(await ask('POST', '/pipes/idle/interrupt'), 409, 'HOLDFAST_ERR_PIPE_NOT_ATTACHED');
});

test('the heartbeat is read and changed', async (t) => {
  const { ask } = await build(t);
  const before = await ask('GET', '/config/heartbeat');
  fits(before, 200, HeartbeatConfigSchema);
  assert.equal(before.headers.etag, '"7"');
  const after = await ask('PATCH', '/config/heartbeat', { client: { intervalMs: 1000 }, backend: { intervalMs: 0 } });
  fits(after, 200, HeartbeatChangedSchema);
  assert.equal(after.headers.etag, '"8"');
  const { client, backend, revision, pipes } = after.json();
  assert.deepEqual([client.timeoutMs, backend.intervalMs, revision, pipes], [3000, 0, 8, 3]);
  fails(await ask('PATCH', '/config/heartbeat', { client: { timeoutMs: 500 } }), 400, 'HOLDFAST_ERR_HEARTBEAT');
});

test('If-Match guards a change', async (t) => {
  const { ask, target } = await build(t);
  const patch = (ifMatch: string) =>
    ask('PATCH', '/config/heartbeat', { client: { json: 'on' } }, { 'if-match': ifMatch });
  for (const good of [() => '*', (r: number) => `"${r}"`, (r: number) => `W/"${r}"`, (r: number) => `${r}`]) {
    fits(await patch(good(target.config.revision)), 200, HeartbeatChangedSchema);
  }
  const { revision } = target.config;
  fails(await patch('"1"'), 412, 'HOLDFAST_ERR_REVISION_STALE');
  for (const bad of ['"abc"', '"7', '7"', '-1', '1.5', '"1", "2"', 'w/"7"', `"${'9'.repeat(40)}"`]) {
    fails(await patch(bad), 400, 'HOLDFAST_ERR_IF_MATCH');
  }
  assert.equal(target.config.revision, revision);
});

test('probes are open and say why', async (t) => {
  const { app, target } = await build(t);
  assert.deepEqual((await app.inject('/livez?t=1')).json(), { status: 'ok' });
  fits(await app.inject('/readyz'), 200, ReadinessSchema);
  target.state = { ready: false, reason: 'closing', pipes: 0, usableBackends: 1 };
  const answer = await app.inject('/readyz');
  fits(answer, 503, ReadinessSchema);
  assert.equal(answer.json().reason, 'closing');
});

const bodies: [method: 'POST' | 'PATCH', url: string, good: object, wrong: [body: unknown, message: RegExp][]][] = [
  [
    'POST',
    '/backends',
    { url: 'ws://x:1/' },
    [
      [{}, /^url is missing; it must be a string/],
      [{ url: 7 }, /^url must be a string/],
      [{ url: 'ws://x:1/', wieght: 2 }, /^wieght is not a known key\. Known here: url, id, weight/],
      [{ url: 'ws://x:1/', weight: '2' }, /^weight must be an integer from 1 to 1000/],
      [{ url: 'ws://x:1/', weight: 0 }, /^weight must/],
      [{ url: 'ws://x:1/', weight: 1.5 }, /^weight must/],
      [{ url: 'ws://x:1/', weight: null }, /^weight must/],
      [{ url: 'ws://x:1/', maxConnections: 0 }, /^maxConnections must be an integer from 1 to 1000000 or null/],
      [{ url: 'ws://x:1/', id: 'a b' }, /^id must be a string that matches/],
      [{ url: 'ws://x:1/', labels: { a: 1 } }, /^labels\.a must be a string/],
      [{ url: 'ws://x:1/', labels: { 'a b': '1' } }, /^labels\."a b" is not a known key/],
      [{ url: `ws://${'x'.repeat(3000)}/` }, /^url must/],
    ],
  ],
  [
    'PATCH',
    '/backends/b1',
    { weight: 2 },
    [
      [{}, /^The body must have at least 1 of weight, maxConnections, adminState/],
      [{ url: 'ws://y:1/' }, /^url is not a known key/],
      [{ weight: true }, /^weight must/],
      [{ adminState: 'off' }, /^adminState must be one of enabled, draining, disabled/],
    ],
  ],
  [
    'PATCH',
    '/config/heartbeat',
    { client: { intervalMs: 1000 } },
    [
      [{}, /^The body must have at least 1 of client, backend/],
      [{ client: {} }, /^client must have at least 1 of intervalMs/],
      [{ client: null }, /^client must be an object/],
      [{ client: { intervalMs: '1000' } }, /^client\.intervalMs must be 0 or an integer from 100 to 3600000\.$/],
      [{ client: { intervalMs: 99 } }, /^client\.intervalMs must/],
      [{ client: { intervalMs: 3_600_001 } }, /^client\.intervalMs must/],
      [{ client: { intervalMs: -0.5 } }, /^client\.intervalMs must/],
      [{ client: { json: true } }, /^client\.json must be one of auto, on, off/],
      [{ backend: { json: 'on' } }, /^backend\.json is not a known key/],
      [{ backend: { timeoutMs: 'x' } }, /^backend\.timeoutMs must be an integer from 100 to 10800000 or null/],
      [{ heartbeat: {} }, /^heartbeat is not a known key/],
    ],
  ],
];

for (const [method, url, good, wrong] of bodies) {
  test(`${method} ${url} refuses every wrong body and changes nothing`, async (t) => {
    const { ask, target } = await build(t);
    const json = { 'content-type': 'application/json' };
    for (const [body, message] of wrong) {
      assert.match(fails(await ask(method, url, body), 400, 'HOLDFAST_ERR_VALIDATION'), message);
    }
    for (const body of ['[]', 'null', '"text"', '7', JSON.stringify([good])]) {
      const answer = await ask(method, url, body, json);
      assert.match(fails(answer, 400, 'HOLDFAST_ERR_VALIDATION'), /^The body must be an object\.$/);
    }
    fails(await ask(method, url), 400, 'HOLDFAST_ERR_VALIDATION');
    fails(await ask(method, url, '', json), 400, 'HOLDFAST_ERR_BODY_EMPTY');
    fails(await ask(method, url, '{"a":', json), 400, 'HOLDFAST_ERR_BODY_JSON');
    fails(await ask(method, url, '{"__proto__":{"a":1}}', json), 400, 'HOLDFAST_ERR_BODY_JSON');
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'nonsense']) {
      const answer = await ask(method, url, JSON.stringify(good), { 'content-type': type });
      fails(answer, 415, 'HOLDFAST_ERR_MEDIA_TYPE');
    }
    const big = JSON.stringify({ ...good, pad: 'x'.repeat(1024 * 1024) });
    fails(await ask(method, url, big, json), 413, 'HOLDFAST_ERR_BODY_TOO_LARGE');
    fails(await ask(method, `${url}?dry=1`, good), 400, 'HOLDFAST_ERR_VALIDATION');
    assert.deepEqual(target.calls, []);
    assert.ok((await ask(method, url, good)).statusCode < 300);
    const charset = { 'content-type': 'application/json; charset=utf-8' };
    assert.ok((await ask(method, url, JSON.stringify(good), charset)).statusCode < 300);
  });
}

test('wrong query strings are refused on every route', async (t) => {
  const { ask, target } = await build(t);
  const wrong: ['GET' | 'DELETE' | 'POST', string, RegExp][] = [
    ['GET', '/backends?verbose=1', /^verbose is not a known key\. Known here: none/],
    ['GET', '/backends/b1?a', /^a is not/],
    ['GET', '/pipes/p-7f3c21?a=1', /^a is not/],
    ['DELETE', '/pipes/p-7f3c21?a=1', /^a is not/],
    ['POST', '/pipes/p-7f3c21/interrupt?a=1', /^a is not/],
    ['GET', '/config/heartbeat?a=1', /^a is not/],
    ['DELETE', '/backends/b1?mode=kill', /^mode must be one of migrate, force/],
    ['DELETE', '/backends/b1?mode=force&mode=force', /^mode must/],
    ['DELETE', '/backends/b1?timeoutMs=soon', /^timeoutMs must/],
    ['DELETE', '/backends/b1?timeoutMs=', /^timeoutMs must/],
    ['DELETE', '/backends/b1?timeoutMs=0', /^timeoutMs must/],
    ['DELETE', '/backends/b1?timeoutMs=1.5', /^timeoutMs must/],
    ['DELETE', '/backends/b1?url=x', /^url is not/],
    ['GET', '/pipes?limit=0', /^limit must be an integer from 1 to 1000/],
    ['GET', '/pipes?limit=1001', /^limit must/],
    ['GET', '/pipes?limit=-1', /^limit must/],
    ['GET', '/pipes?limit=1e2', /^limit must/],
    ['GET', '/pipes?limit=true', /^limit must/],
    ['GET', '/pipes?limit=1&limit=2', /^limit must/],
    ['GET', '/pipes?state=OPEN', /^state must be one of connecting, open/],
    ['GET', '/pipes?__proto__=1', /^__proto__ is not/],
  ];
  for (const [method, url, message] of wrong) {
    assert.match(fails(await ask(method, url), 400, 'HOLDFAST_ERR_VALIDATION'), message);
  }
  assert.deepEqual(target.calls, []);
});

test('a request that takes no body tolerates an empty one only', async (t) => {
  const { ask } = await build(t);
  const json = { 'content-type': 'application/json' };
  assert.equal((await ask('POST', '/pipes/p-7f3c21/interrupt', '', json)).statusCode, 202);
  assert.equal((await ask('POST', '/pipes/p-7f3c21/interrupt', {})).statusCode, 202);
  fails(await ask('DELETE', '/backends/b1', { mode: 'force' }), 400, 'HOLDFAST_ERR_BODY_UNEXPECTED');
});

test('an unexpected error tells the caller nothing', async (t: TestContext) => {
  const { ask, target } = await build(t);
  const failures = [
    new Error('secret /etc/path'),
    Object.assign(new Error('secret'), { statusCode: 500, code: 'HOLDFAST_ERR_ILLEGAL_TRANSITION' }),
    Object.assign(new Error('secret'), { statusCode: 503, code: 'ECONNREFUSED' }),
    Object.assign(new Error('secret'), { statusCode: 200 }),
    'secret',
    null,
  ];
  for (const failure of failures) {
    target.failure = failure;
    const answer = await ask('GET', '/backends');
    fails(answer, 500, 'HOLDFAST_ERR_INTERNAL');
    assert.doesNotMatch(answer.body, /secret/);
  }
});
