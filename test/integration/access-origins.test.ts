/** Cross-site WebSocket hijacking: which pages may connect. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { deferred } from '../support/wait.ts';
import { assertNobodyIn } from './limits-scenario.ts';

const page = (origin: string, headers: Record<string, string> = {}) => ({ headers: { origin, ...headers } });
const code = 'HOLDFAST_ERR_ORIGIN_NOT_ALLOWED';

test('by default: no Origin and the own page may connect, and one of this machine; a page of another site gets 403 and takes no slot', async (t) => {
  const backend = await startBackend(t, { record: true });
  const gateway = await startGateway(t, { backends: [backend.url] });
  await connect(t, gateway.url);
  await connect(t, gateway.url, page(gateway.httpUrl));
  await connect(t, gateway.url, page('http://localhost:5173'));
  for (const protocols of [[], ['holdfast.v1']])
    for (const origin of [
      'https://evil.example',
      'null',
      `http://localhost.evil.example:${gateway.port}`,
      `http://192.0.2.1:${gateway.port}`,
    ]) {
      const refused = await connectRefused(t, gateway.url, { ...page(origin, { cookie: 'sid=1' }), protocols });
      assert.equal(refused.status, 403, origin);
      assert.equal((JSON.parse(refused.body) as { code: string }).code, code);
    }
  assert.equal(gateway.eventsOf('pipe.refused').filter((event) => event.code === code).length, 8);
  assert.equal(gateway.manager.entrance.arriving, 0);
  assert.equal(backend.upgrades().length, 3, 'no backend heard of them');
});

test('the host and the scheme that a trusted proxy names count, and only a trusted one\u2019s', async (t) => {
  const backend = await startBackend(t);
  const proxied = { 'x-forwarded-host': 'app.example.com', 'x-forwarded-proto': 'https' };
  const trusting = await startGateway(t, { backends: [backend.url], fastify: { trustProxy: true } });
  await connect(t, trusting.url, page('https://app.example.com', proxied));
  await connectRefused(t, trusting.url, page('http://app.example.com', proxied));
  await connectRefused(t, trusting.url, page(trusting.httpUrl, proxied));
  const wary = await startGateway(t, { backends: [backend.url] });
  assert.equal((await connectRefused(t, wary.url, page('https://app.example.com', proxied))).status, 403);
});

test('a list replaces the default, * lets every page in', async (t) => {
  const backend = await startBackend(t);
  const listed = await startGateway(t, { backends: [backend.url], allowedOrigins: ['https://*.example.com'] });
  await connect(t, listed.url, page('https://app.example.com'));
  assert.equal((await connectRefused(t, listed.url, page(listed.httpUrl))).status, 403);
  const open = await startGateway(t, { backends: [backend.url], allowedOrigins: ['*'] });
  await connect(t, open.url, page('https://anything.example'));
});

test('a function decides, also of clients without an Origin; only true lets in, and what it throws says nothing', async (t) => {
  const backend = await startBackend(t);
  const asked: (string | undefined)[] = [];
  const answers: Record<string, () => unknown> = {
    'https://sync.example': () => true,
    'https://async.example': async () => true,
    'https://truthy.example': () => 'yes',
    'https://no.example': async () => false,
    'https://throws.example': () => {
      throw new Error('SECRET detail');
    },
  };
  const gateway = await startGateway(t, {
    backends: [backend.url],
    allowedOrigins: ((origin: string | undefined) => {
      asked.push(origin);
      return answers[origin ?? '']?.() ?? false;
    }) as (origin: string | undefined) => boolean,
  });
  await connect(t, gateway.url, page('https://sync.example'));
  await connect(t, gateway.url, page('https://async.example'));
  for (const origin of ['https://truthy.example', 'https://no.example', 'https://unknown.example'])
    assert.equal((await connectRefused(t, gateway.url, page(origin))).status, 403, origin);
  assert.equal((await connectRefused(t, gateway.url)).status, 403);
  const thrown = await connectRefused(t, gateway.url, page('https://throws.example'));
  assert.equal(thrown.status, 500);
  assert.ok(!thrown.body.includes('SECRET'));
  assert.deepEqual(asked.slice(-2), [undefined, 'https://throws.example']);
});

test('a function that does not answer in time: 503, and the slot is free', async (t) => {
  const backend = await startBackend(t);
  const never = deferred<boolean>();
  const gateway = await startGateway(t, {
    backends: [backend.url],
    limits: { hooksTimeoutMs: 150 },
    allowedOrigins: () => never.promise,
  });
  assert.equal((await connectRefused(t, gateway.url)).status, 503);
  await assertNobodyIn(gateway);
});
