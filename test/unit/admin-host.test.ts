import assert from 'node:assert/strict';
import test from 'node:test';
import bearerAuth from '@fastify/bearer-auth';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import websocket from '@fastify/websocket';
import fastify from 'fastify';
import admin from '../../plugins/admin.ts';
import { authorization, build, FakeTarget, token } from '../support/fake-admin-target.ts';

test('everything moves under the prefix', async (t) => {
  const { app, ask } = await build(t, { prefix: '/admin/' });
  const created = await ask('POST', '/admin/backends', { url: 'ws://x:1/' });
  assert.equal(created.headers.location, '/admin/backends/made-up');
  assert.equal((await app.inject('/admin/livez')).statusCode, 200);
  assert.equal((await app.inject('/livez')).statusCode, 404);
  assert.equal((await app.inject('/backends')).json().code, undefined, 'the 404 of the host is its own');
  const unknown = await ask('GET', '/admin/nothing');
  assert.deepEqual([unknown.statusCode, unknown.json().code], [404, 'HOLDFAST_ERR_ROUTE_NOT_FOUND']);
  assert.equal((await ask('POST', '/admin/backends/b1')).json().code, 'HOLDFAST_ERR_ROUTE_NOT_FOUND');
  assert.equal((await app.inject('/admin/nothing')).statusCode, 401, 'nobody may probe for routes');
});

test('a host with validators, serializers, parsers, decorators, hooks and an error shape of its own changes nothing', async (t) => {
  const { app, ask } = await build(t, {}, async (host) => {
    host.setValidatorCompiler(() => () => ({ value: 'replaced' }));
    host.setSerializerCompiler(() => () => '"replaced"');
    host.setErrorHandler((_error, _request, reply) => reply.code(418).send({ own: true }));
    host.setNotFoundHandler((_request, reply) => reply.code(404).send({ own: true }));
    host.removeAllContentTypeParsers();
    host.addContentTypeParser('*', (_request, _payload, done) => done(null, { url: 'ws://replaced:1/' }));
    await host.register(bearerAuth, { keys: ['host-key-host-key'], addHook: false });
    host.post('/echo', { handler: async (request) => request.body });
  });
  assert.equal((await ask('GET', '/backends')).json().backends.length, 2);
  const text = await ask('POST', '/backends', 'x', { 'content-type': 'text/plain' });
  assert.equal(text.json().code, 'HOLDFAST_ERR_MEDIA_TYPE');
  const created = await ask('POST', '/backends', { url: 'ws://x:1/' });
  assert.equal(created.json().url, 'ws://x:1/');
  assert.equal((await ask('GET', '/backends?x=1')).json().code, 'HOLDFAST_ERR_VALIDATION');
  assert.deepEqual((await app.inject('/nothing')).json(), { own: true });
  const echo = await app.inject({ method: 'POST', url: '/echo', payload: 'x', headers: { 'content-type': 'a/b' } });
  assert.deepEqual(echo.json(), { url: 'ws://replaced:1/' });
});

test('it works in an app with @fastify/websocket', async (t) => {
  const { ask, app } = await build(t, { prefix: '/admin' }, async (host) => {
    await host.register(websocket);
    host.get('/ws', { websocket: true }, (socket) => socket.close());
  });
  assert.equal((await ask('GET', '/admin/backends')).statusCode, 200);
  assert.equal((await ask('POST', '/admin/backends', { url: 'ws://x:1/' })).statusCode, 201);
  assert.equal((await ask('GET', '/admin/nothing')).statusCode, 404);
  assert.equal((await app.inject('/admin/docs/json')).statusCode, 200);
  await assert.rejects(app.injectWS('/admin/backends'), /401/);
});

test('a host with its own @fastify/swagger keeps its document, and ours lists our routes only', async (t) => {
  const { app } = await build(t, { prefix: '/admin' }, async (host) => {
    await host.register(swagger, { openapi: { info: { title: 'Host', version: '9.9.9' } } });
    await host.register(swaggerUi, { routePrefix: '/documentation' });
    host.get('/orders', { schema: { summary: 'Of the host' } }, async () => []);
  });
  const host = (await app.inject('/documentation/json')).json();
  assert.equal(host.info.title, 'Host');
  assert.ok('/orders' in host.paths);
  const ours = (await app.inject('/admin/docs/json')).json();
  assert.equal(ours.info.title, 'Holdfast');
  assert.ok('/backends' in ours.paths);
  assert.ok(!('/orders' in ours.paths));
  assert.match((await app.inject('/documentation')).body, /swagger-ui/);
  assert.match((await app.inject('/admin/docs')).body, /swagger-ui/);
});

test('two gateways share one app', async (t) => {
  const app = fastify();
  t.after(() => app.close());
  for (const prefix of ['/one', '/two']) {
    await app.register(admin, { target: new FakeTarget(), admin: { prefix, auth: { tokens: [token] } } });
  }
  for (const prefix of ['/one', '/two']) {
    const answer = await app.inject({ url: `${prefix}/backends`, headers: { authorization } });
    assert.equal(answer.statusCode, 200);
  }
});
