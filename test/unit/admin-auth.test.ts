import assert from 'node:assert/strict';
import test from 'node:test';
import fastify from 'fastify';
import admin from '../../plugins/admin.ts';
import { Unauthorized } from '../../src/errors.ts';
import type { HoldfastEvents } from '../../src/observe/events.ts';
import type { AdminOptions } from '../../src/options.ts';
import { authorization, build, FakeTarget, token } from '../support/fake-admin-target.ts';

const routes = [
  ['GET', '/backends'],
  ['POST', '/backends'],
  ['GET', '/backends/b1'],
  ['PATCH', '/backends/b1'],
  ['DELETE', '/backends/b1'],
  ['DELETE', '/backends?url=ws://one:9000/'],
  ['GET', '/pipes'],
  ['GET', '/pipes/p-7f3c21'],
  ['DELETE', '/pipes/p-7f3c21'],
  ['POST', '/pipes/p-7f3c21/interrupt'],
  ['GET', '/config/heartbeat'],
  ['PATCH', '/config/heartbeat'],
] as const;

test('no route but the open ones answers without the right token', async (t) => {
  const { app, target } = await build(t, { maxFailures: 0 });
  const refused: HoldfastEvents['audit.refused'][] = [];
  target.events.on('audit.refused', (event) => refused.push(event));
  const wrong = [undefined, 'Bearer', 'Bearer ', 'Bearer wrong-token', `Bearer ${token}x`, `Basic ${token}`, token];
  for (const [method, url] of routes) {
    for (const header of wrong) {
      const headers = header === undefined ? {} : { authorization: header };
      const answer = await app.inject({ method, url, headers });
      assert.equal(answer.statusCode, 401, `${method} ${url} ${header}`);
      assert.equal(answer.json().code, 'HOLDFAST_ERR_UNAUTHORIZED');
      assert.match(String(answer.headers['www-authenticate']), /^Bearer realm="holdfast"/);
      assert.doesNotMatch(answer.body, /wrong-token|correct-horse/);
    }
  }
  assert.deepEqual(target.calls, []);
  assert.equal(refused.length, routes.length * wrong.length);
  assert.deepEqual(refused[5 * wrong.length], {
    actorIp: '127.0.0.1',
    method: 'DELETE',
    route: '/backends',
    statusCode: 401,
    code: 'HOLDFAST_ERR_UNAUTHORIZED',
  });
  for (const url of ['/livez', '/readyz', '/docs', '/docs/', '/docs/json']) {
    assert.equal((await app.inject(url)).statusCode, 200, url);
  }
});

test('the token counts in the header only, under any case of the scheme', async (t) => {
  const { app } = await build(t);
  const status = async (url: string, header?: string) =>
    (await app.inject({ url, headers: header === undefined ? {} : { authorization: header } })).statusCode;
  assert.equal(await status('/backends', authorization), 200);
  assert.equal(await status('/backends', 'Bearer another-token'), 200);
  assert.equal(await status('/backends', `bearer ${token}`), 200);
  assert.equal(await status('/backends', `BEARER ${token}`), 200);
  for (const key of ['access_token', 'token', 'authorization']) {
    assert.equal(await status(`/backends?${key}=${token}`), 401);
  }
});

test('without usable auth the plugin refuses to start', async (t) => {
  const start = async (options: unknown) => {
    const app = fastify();
    t.after(() => app.close());
    await app.register(admin, { target: new FakeTarget(), admin: options as AdminOptions });
    await app.ready();
  };
  const wrong: [unknown, RegExp][] = [
    [{}, /no authentication/],
    [{ auth: {} }, /no authentication/],
    [{ auth: { tokens: [] } }, /tokens is empty/],
    [{ auth: { tokens: 'a-long-enough-token' } }, /no authentication/],
    [{ auth: { tokens: ['long-enough', 'short'] } }, /tokens\[1\] has 5 characters; at least 8/],
    [{ auth: { tokens: [123456789] } }, /neither a string nor an object/],
    [{ auth: { tokens: [{ name: 'a', role: 'read', token: 'short' }] } }, /tokens\[0\]\.token has 5 characters/],
    [{ auth: { tokens: [{ name: 'a', role: 'admin', token: '12345678' }] } }, /tokens\[0\]: role must be/],
    [{ auth: { tokens: [{ name: 'a b', role: 'read', token: '12345678' }] } }, /tokens\[0\]: name must/],
    [{ auth: { tokens: [{ role: 'read', token: '12345678' }] } }, /tokens\[0\]: name is missing/],
    [{ auth: { tokens: [{ name: 'a', role: 'read' }] } }, /needs either token or sha256/],
    [{ auth: { tokens: [{ name: 'a', role: 'read', token: '12345678', sha256: 'a'.repeat(64) }] } }, /needs either/],
    [{ auth: { tokens: [{ name: 'a', role: 'read', sha256: 'abc' }] } }, /tokens\[0\]: sha256 must/],
    [
      { auth: { tokens: ['12345678', { name: 'a', role: 'read', token: '12345678' }] } },
      /tokens\[1\] has the name or the token of admin\.auth\.tokens\[0\]/,
    ],
    [{ auth: { tokens: ['with a space'] } }, /space/],
  ];
  for (const [options, message] of wrong) {
    await assert.rejects(start(options), { code: 'HOLDFAST_ERR_NO_ADMIN_AUTH', message });
  }
  const token8 = { tokens: ['12345678'] };
  await assert.rejects(start({ auth: token8, prefix: 'admin' }), { code: 'HOLDFAST_ERR_OPTIONS' });
  await assert.rejects(start({ auth: token8, prefix: '/a/:b' }), { code: 'HOLDFAST_ERR_OPTIONS' });
  await assert.rejects(start({ auth: (_a: unknown, _b: unknown, _done: unknown) => {} }), {
    code: 'HOLDFAST_ERR_OPTIONS',
  });
  await start({ auth: token8 });
});

test("the host's own hook decides", async (t) => {
  const { app, target } = await build(t, {
    auth: async (request, reply) => {
      switch (request.headers['x-user']) {
        case 'root':
          return undefined;
        case 'false':
          return false;
        case 'answers':
          return reply.code(403).send({ own: true });
        case 'forbidden':
          throw Object.assign(new Error('Not you.'), { statusCode: 403, code: 'MY_FORBIDDEN' });
        case 'too-many':
          throw Object.assign(new Error('Slow down.'), { statusCode: 429 });
        case 'broken':
          throw Object.assign(new Error('secret'), { statusCode: 502 });
        case 'ours':
          throw new Unauthorized();
        default:
          throw new Error('secret');
      }
    },
  });
  let refused = 0;
  target.events.on('audit.refused', () => {
    refused += 1;
  });
  const as = async (user: string) => {
    const answer = await app.inject({ url: '/backends', headers: { 'x-user': user } });
    assert.doesNotMatch(answer.body, /secret/);
    // It has no token that could be wrong.
    if (answer.statusCode === 401) assert.match(answer.json().message, /^The hook that is admin\.auth /);
    return [answer.statusCode, answer.json().code, refused];
  };
  assert.deepEqual(await as('root'), [200, undefined, 0]);
  assert.deepEqual(await as('false'), [401, 'HOLDFAST_ERR_UNAUTHORIZED', 1]);
  assert.deepEqual(await as('nobody'), [401, 'HOLDFAST_ERR_UNAUTHORIZED', 2]);
  assert.deepEqual(await as('ours'), [401, 'HOLDFAST_ERR_UNAUTHORIZED', 3]);
  assert.deepEqual(await as('answers'), [403, undefined, 4]);
  assert.deepEqual(await as('forbidden'), [403, 'MY_FORBIDDEN', 5]);
  assert.deepEqual(await as('too-many'), [429, 'HOLDFAST_ERR_TOO_MANY_REQUESTS', 6]);
  assert.deepEqual(await as('broken'), [500, 'HOLDFAST_ERR_INTERNAL', 6]);
  assert.equal((await app.inject('/livez')).statusCode, 200);
  assert.equal(target.calls.length, 1);
});

test('a hook that has answered lets nobody in, whatever it returns, and however long the answer takes to be sent', async (t) => {
  const hooks: Record<string, Extract<AdminOptions['auth'], (...args: never[]) => unknown>> = {
    nothing: async (_request, reply) => void reply.code(403).send({ own: true }),
    identity: async (_request, reply) => {
      void reply.code(403).send({ own: true });
      return { name: 'ada', role: 'write' };
    },
    throws: async (_request, reply) => {
      void reply.code(403).send({ own: true });
      throw Object.assign(new Error('Not you.'), { statusCode: 400 });
    },
    redirect: async (_request, reply) => void reply.redirect('/login', 403),
    raw: async (_request, reply) => void reply.hijack().raw.writeHead(403).end(),
  };
  const { app, target } = await build(
    t,
    { auth: (request, reply) => hooks[String(request.headers['x-hook'])]!(request, reply) },
    (host) => {
      host.addHook(
        'onSend',
        (_request, _reply, payload, done) => void setImmediate(() => setImmediate(done, null, payload)),
      );
    },
  );
  for (const name of Object.keys(hooks)) {
    const answer = await app.inject({ method: 'DELETE', url: '/backends/b1?mode=force', headers: { 'x-hook': name } });
    assert.equal(answer.statusCode, 403, name);
  }
  assert.deepEqual(target.calls, []);
});
