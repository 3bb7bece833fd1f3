/** Wrong tokens are counted per address: who guesses waits, everybody else does not. */
import assert from 'node:assert/strict';
import test from 'node:test';
import rateLimit from '@fastify/rate-limit';
import fastify from 'fastify';
import admin from '../../plugins/admin.ts';
import type { HoldfastEvents } from '../../src/observe/events.ts';
import { authorization, build, FakeTarget, token } from '../support/fake-admin-target.ts';

const wrong = 'Bearer wrong-token-0';
const ask = (app: Awaited<ReturnType<typeof build>>['app'], remoteAddress: string, header?: string, more = {}) =>
  app.inject({
    url: '/backends',
    remoteAddress,
    headers: { ...(header === undefined ? {} : { authorization: header }), ...more },
  });

test('after maxFailures wrong tokens an address gets 429, also with the right one, until the window is over', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const { app, target } = await build(t, { maxFailures: 3, failureWindowMs: 30_000 });
  const refused: HoldfastEvents['audit.refused'][] = [];
  target.events.on('audit.refused', (event) => refused.push(event));
  for (let count = 0; count < 3; count += 1) {
    assert.equal((await ask(app, '10.0.0.1', authorization)).statusCode, 200, 'right ones do not count');
    assert.equal((await ask(app, '10.0.0.1', wrong)).statusCode, 401);
  }
  now += 10_000;
  for (const header of [wrong, authorization, undefined]) {
    const answer = await ask(app, '10.0.0.1', header);
    assert.deepEqual([answer.statusCode, answer.json().code], [429, 'HOLDFAST_ERR_TOO_MANY_FAILURES']);
    assert.equal(answer.headers['retry-after'], '20');
    assert.equal(refused.at(-1)?.code, 'HOLDFAST_ERR_TOO_MANY_FAILURES');
  }
  assert.equal((await ask(app, '10.0.0.2', authorization)).statusCode, 200, 'another address');
  assert.equal((await app.inject({ url: '/livez', remoteAddress: '10.0.0.1' })).statusCode, 200);
  now += 20_000;
  assert.equal((await ask(app, '10.0.0.1', authorization)).statusCode, 200);
});

test('requests without a token guess nothing and are not counted', async (t) => {
  const { app } = await build(t, { maxFailures: 1 });
  for (let count = 0; count < 5; count += 1) assert.equal((await ask(app, '10.0.0.1')).statusCode, 401);
  assert.equal((await ask(app, '10.0.0.1', authorization)).statusCode, 200);
});

test('an IPv6 caller counts by its /64, one mapped from IPv4 by that address', async (t) => {
  const { app } = await build(t, { maxFailures: 2 });
  await ask(app, '2001:db8:0:1::1', wrong);
  await ask(app, '2001:db8:0:1:ffff::2', wrong);
  assert.equal((await ask(app, '2001:db8:0:1::3', authorization)).statusCode, 429);
  assert.equal((await ask(app, '2001:db8:0:2::1', authorization)).statusCode, 200);
  await ask(app, '::ffff:10.0.0.1', wrong);
  await ask(app, '10.0.0.1', wrong);
  assert.equal((await ask(app, '10.0.0.1', authorization)).statusCode, 429);
});

test('behind a trusted proxy the address it names counts, otherwise that header is nobody', async (t) => {
  for (const trustProxy of [true, false]) {
    const app = fastify({ trustProxy });
    t.after(() => app.close());
    await app.register(admin, { target: new FakeTarget(), admin: { auth: { tokens: [token] }, maxFailures: 1 } });
    await ask(app, '10.0.0.9', wrong, { 'x-forwarded-for': '203.0.113.1' });
    const other = await ask(app, '10.0.0.9', authorization, { 'x-forwarded-for': '203.0.113.2' });
    assert.equal(other.statusCode, trustProxy ? 200 : 429);
    const same = await ask(app, '10.0.0.9', authorization, { 'x-forwarded-for': '203.0.113.1' });
    assert.equal(same.statusCode, 429);
  }
});

test('behind a proxy that names ports, or something that is no address, each try counts all the same', async (t) => {
  const app = fastify({ trustProxy: true });
  t.after(() => app.close());
  await app.register(admin, { target: new FakeTarget(), admin: { auth: { tokens: [token] }, maxFailures: 3 } });
  for (const names of [
    (n: number) => `203.0.113.1:500${n}`,
    (n: number) => `[2001:db8::1]:500${n}`,
    (n: number) => `_${n}`,
  ]) {
    const statuses: number[] = [];
    for (let n = 0; n < 5; n += 1)
      statuses.push((await ask(app, '10.0.0.9', wrong, { 'x-forwarded-for': names(n) })).statusCode);
    assert.deepEqual(statuses, [401, 401, 401, 429, 429], names(0));
  }
  assert.equal((await ask(app, '10.0.0.9', authorization)).statusCode, 429, 'who has no address counts as the proxy');
  assert.equal((await ask(app, '10.0.0.8', authorization)).statusCode, 200);
});

test('memory is bounded: what failed longest ago is forgotten, and a flood of addresses does not free the latest', async (t) => {
  const { app } = await build(t, { maxFailures: 1 });
  await ask(app, '10.9.9.9', wrong);
  for (let count = 0; count < 5000; count += 1) await ask(app, `10.1.${count >> 8}.${count & 255}`, wrong);
  assert.equal((await ask(app, '10.9.9.9', authorization)).statusCode, 200, 'the oldest of 5,001');
  assert.equal((await ask(app, '10.1.19.135', authorization)).statusCode, 429, 'the latest');
});

test("the host's own rate limit neither counts for ours nor is touched by it", async (t) => {
  const { app } = await build(t, { maxFailures: 2 }, async (host) => {
    await host.register(rateLimit, {
      max: 1000,
      global: false,
      allowList: ['10.0.0.1'],
      keyGenerator: () => 'everybody',
    });
  });
  await ask(app, '10.0.0.1', wrong);
  await ask(app, '10.0.0.1', wrong);
  assert.equal((await ask(app, '10.0.0.1', authorization)).statusCode, 429);
  assert.equal((await ask(app, '10.0.0.2', authorization)).statusCode, 200);
});

test('0 is no limit', async (t) => {
  const { app } = await build(t, { maxFailures: 0 });
  for (let count = 0; count < 30; count += 1) assert.equal((await ask(app, '10.0.0.1', wrong)).statusCode, 401);
  assert.equal((await ask(app, '10.0.0.1', authorization)).statusCode, 200);
});
