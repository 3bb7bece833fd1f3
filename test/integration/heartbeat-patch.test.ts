import assert from 'node:assert/strict';
import test from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

interface Settings {
  readonly revision: number;
  readonly pipes?: number;
  readonly client: { intervalMs: number; timeoutMs: number; timeoutSet: boolean; json: string };
  readonly backend: { intervalMs: number; timeoutMs: number; timeoutSet: boolean; json: string };
}

const patch = async (gateway: TestGateway, body: unknown, headers: Record<string, string> = {}) => {
  const answer = await gateway.admin('PATCH', '/config/heartbeat', body, headers);
  return { ...answer, body: answer.body as Settings & { code?: string } };
};
const read = async (gateway: TestGateway) => (await gateway.admin('GET', '/config/heartbeat')).body as Settings;

test('Only what is sent changes; timeoutMs follows the interval until it is set, and again after null', async (t) => {
  const gateway = await startGateway(t);
  const start = await read(gateway);
  assert.deepEqual(start, {
    revision: 1,
    client: { intervalMs: 25_000, timeoutMs: 75_000, timeoutSet: false, json: 'auto' },
    backend: { intervalMs: 25_000, timeoutMs: 75_000, timeoutSet: false, json: 'off' },
  });
  const steps: [body: object, client: Partial<Settings['client']>, backend: Partial<Settings['backend']>][] = [
    [{ client: { intervalMs: 5000 } }, { intervalMs: 5000, timeoutMs: 15_000 }, {}],
    [{ backend: { timeoutMs: 30_000 } }, {}, { timeoutMs: 30_000, timeoutSet: true }],
    [{ client: { json: 'on' } }, { json: 'on' }, {}],
    [{ backend: { intervalMs: 1000 } }, {}, { intervalMs: 1000 }],
    [{ backend: { timeoutMs: null } }, {}, { timeoutMs: 3000, timeoutSet: false }],
    [
      { backend: { intervalMs: 0 }, client: { timeoutMs: 5000 } },
      { timeoutMs: 5000, timeoutSet: true },
      { intervalMs: 0, timeoutMs: 0 },
    ],
    [
      { backend: { intervalMs: 3_600_000, timeoutMs: 10_800_000 } },
      {},
      { intervalMs: 3_600_000, timeoutMs: 10_800_000, timeoutSet: true },
    ],
    [{ client: { intervalMs: 100, timeoutMs: 100 } }, { intervalMs: 100, timeoutMs: 100 }, {}],
  ];
  let expected: Settings = start;
  for (const [body, client, backend] of steps) {
    expected = {
      revision: expected.revision + 1,
      client: { ...expected.client, ...client },
      backend: { ...expected.backend, ...backend },
    };
    const answer = await patch(gateway, body);
    assert.deepEqual({ status: answer.status, body: answer.body }, { status: 200, body: { ...expected, pipes: 0 } });
    assert.equal(answer.headers.get('etag'), `"${expected.revision}"`);
    assert.deepEqual(await read(gateway), expected);
  }
});

test('Each change is one event with the values before and after, the revision and the pipes retuned', async (t) => {
  const gateway = await startGateway(t);
  const backend = await startBackend(t);
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  await connect(t, gateway.url);
  await connect(t, gateway.url);
  const { revision: _first, ...before } = await read(gateway);
  const answer = await patch(gateway, { client: { intervalMs: 1000 } });
  assert.equal(answer.body.pipes, 2);
  const { revision, ...after } = await read(gateway);
  assert.deepEqual(gateway.eventsOf('config.changed'), [{ section: 'heartbeat', revision, before, after, pipes: 2 }]);
});

test('If-Match with the revision read succeeds once; an old one is 412 and changes nothing', async (t) => {
  const gateway = await startGateway(t);
  const { headers } = await gateway.admin('GET', '/config/heartbeat');
  const etag = headers.get('etag')!;
  assert.equal(etag, '"1"');
  assert.equal((await patch(gateway, { client: { intervalMs: 1000 } }, { 'if-match': etag })).status, 200);
  const before = await read(gateway);
  for (const stale of [etag, '"99"', 'W/"1"', '1']) {
    const { status, body } = await patch(gateway, { client: { intervalMs: 2000 } }, { 'if-match': stale });
    assert.deepEqual({ status, code: body.code }, { status: 412, code: 'HOLDFAST_ERR_REVISION_STALE' }, stale);
  }
  assert.equal((await patch(gateway, { client: { intervalMs: 2000 } }, { 'if-match': 'yesterday' })).status, 400);
  assert.deepEqual(await read(gateway), before);
  assert.equal(gateway.eventsOf('config.changed').length, 1);
  assert.equal((await patch(gateway, { client: { intervalMs: 3000 } }, { 'if-match': '*' })).status, 200);
});

test('A hundred PATCHes at once are done one after the other: a revision each, the last one stays', async (t) => {
  const gateway = await startGateway(t);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      patch(gateway, n % 2 === 0 ? { client: { intervalMs: 1000 + n } } : { backend: { intervalMs: 1000 + n } }),
    ),
  );
  assert.ok(answers.every(({ status }) => status === 200));
  const byRevision = answers.map(({ body }) => body).sort((a, b) => a.revision - b.revision);
  assert.deepEqual(
    byRevision.map(({ revision }) => revision),
    Array.from({ length: 100 }, (_, n) => n + 2),
  );
  // Each changed its own hop only: the other is as the one before left it.
  for (const [index, { client, backend }] of byRevision.entries()) {
    const { client: c, backend: b } = byRevision[index - 1] ?? { client: null, backend: null };
    if (c === null || b === null) continue;
    assert.equal(Number(client.intervalMs !== c.intervalMs) + Number(backend.intervalMs !== b.intervalMs), 1);
  }
  const { pipes: _pipes, ...last } = byRevision.at(-1)!;
  assert.deepEqual(await read(gateway), last);
  assert.deepEqual(
    gateway.eventsOf('config.changed').map(({ revision }) => revision),
    byRevision.map(({ revision }) => revision),
  );
});

test('A hundred PATCHes for the same revision: one wins, the others are 412', async (t) => {
  const gateway = await startGateway(t);
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) => patch(gateway, { client: { intervalMs: 1000 + n } }, { 'if-match': '"1"' })),
  );
  const [winner, ...others] = answers.filter(({ status }) => status === 200);
  assert.equal(others.length, 0);
  assert.equal(answers.filter(({ status }) => status === 412).length, 99);
  assert.deepEqual((await read(gateway)).client, winner!.body.client);
});

const json = { 'content-type': 'application/json' };
const wrong: readonly (readonly [
  what: string,
  body: string,
  status: number,
  code: string,
  headers?: Record<string, string>,
])[] = [
  ['an interval as a string', '{"client":{"intervalMs":"1000"}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an interval as true', '{"client":{"intervalMs":true}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an interval of null', '{"client":{"intervalMs":null}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an interval with a fraction', '{"client":{"intervalMs":1000.5}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an interval that is an array', '{"client":{"intervalMs":[1000]}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an interval below the range', '{"client":{"intervalMs":99}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an interval of 1', '{"backend":{"intervalMs":1}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['a negative interval', '{"backend":{"intervalMs":-1000}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an interval above the range', '{"client":{"intervalMs":3600001}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['a number that is no number', '{"client":{"intervalMs":1e999}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['a timeout of 0', '{"client":{"timeoutMs":0}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['a timeout above the range', '{"client":{"timeoutMs":10800001}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['a timeout below the interval', '{"client":{"timeoutMs":24999}}', 400, 'HOLDFAST_ERR_HEARTBEAT'],
  [
    'an interval above a timeout in the same body',
    '{"backend":{"intervalMs":2000,"timeoutMs":1000}}',
    400,
    'HOLDFAST_ERR_HEARTBEAT',
  ],
  [
    'one hop right, the other a contradiction',
    '{"client":{"intervalMs":1000},"backend":{"timeoutMs":200}}',
    400,
    'HOLDFAST_ERR_HEARTBEAT',
  ],
  ['an unknown key', '{"client":{"intervalMs":1000},"other":{}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an unknown key of a hop', '{"client":{"intervalMs":1000,"interval":1}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['json towards backends', '{"backend":{"json":"on"}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an unknown word for json', '{"client":{"json":"yes"}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['a hop that is null', '{"client":null}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['a hop that is a number', '{"client":1000}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['a hop with nothing in it', '{"client":{}}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an empty object', '{}', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['an array', '[{"client":{"intervalMs":1000}}]', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['null', 'null', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['a string', '"client"', 400, 'HOLDFAST_ERR_VALIDATION'],
  ['broken JSON', '{"client":{"intervalMs":1000}', 400, 'HOLDFAST_ERR_BODY_JSON'],
  ['no JSON at all', 'intervalMs=1000', 400, 'HOLDFAST_ERR_BODY_JSON'],
  ['__proto__', '{"client":{"intervalMs":1000},"__proto__":{"a":1}}', 400, 'HOLDFAST_ERR_BODY_JSON'],
  ['nothing', '', 400, 'HOLDFAST_ERR_BODY_EMPTY', json],
  ['1 MB', `{"client":{"intervalMs":1000}}${' '.repeat(1_048_576)}`, 413, 'HOLDFAST_ERR_BODY_TOO_LARGE'],
  [
    'another media type',
    '{"client":{"intervalMs":1000}}',
    415,
    'HOLDFAST_ERR_MEDIA_TYPE',
    { 'content-type': 'text/plain' },
  ],
  [
    'a form',
    'client.intervalMs=1000',
    415,
    'HOLDFAST_ERR_MEDIA_TYPE',
    { 'content-type': 'application/x-www-form-urlencoded' },
  ],
];

test('Each wrong body is a 4xx with its code and changes nothing', async (t) => {
  const gateway = await startGateway(t);
  const before = await read(gateway);
  for (const [what, text, status, code, headers = {}] of wrong) {
    const answer = await patch(gateway, text, headers);
    assert.deepEqual({ status: answer.status, code: answer.body.code }, { status, code }, what);
    const { statusCode, error, message } = answer.body as unknown as Record<string, unknown>;
    assert.equal(statusCode, status, what);
    assert.equal(typeof error, 'string', what);
    assert.ok(typeof message === 'string' && message.length > 10 && !message.includes('\n'), what);
    assert.deepEqual(await read(gateway), before, `${what} changed something`);
  }
  assert.deepEqual(gateway.eventsOf('config.changed'), []);
  // And the connection to the admin API still works.
  assert.equal((await patch(gateway, { client: { intervalMs: 1000 } })).status, 200);
});

test('Without a token nothing is changed', async (t) => {
  const gateway = await startGateway(t);
  for (const authorization of ['', 'Bearer wrong-token-0123456789']) {
    const { status } = await patch(gateway, { client: { intervalMs: 1000 } }, { authorization });
    assert.equal(status, 401);
  }
  assert.equal((await read(gateway)).revision, 1);
});
