import assert from 'node:assert/strict';
import test from 'node:test';
import fastify from 'fastify';
import admin from '../../plugins/admin.ts';
import { FakeTarget, token } from '../support/fake-admin-target.ts';

const register = (app: ReturnType<typeof fastify>) =>
  app.register(admin, { target: new FakeTarget(), admin: { auth: { tokens: [token] } } });

test('an app that has a route of the docs already is told so where it registers the plugin', async (t) => {
  const taken: string[] = [];
  const free = fastify();
  t.after(() => free.close());
  free.addHook('onRoute', ({ method, url }) => {
    if ([method].flat().includes('GET') && url.startsWith('/docs')) taken.push(url);
  });
  await register(free);
  assert.ok(taken.includes('/docs/json') && taken.includes('/docs/static/*'), taken.join(' '));

  for (const url of [...taken, '/docs/']) {
    const app = fastify();
    app.get(url, async () => 'of the host');
    await assert.rejects(async () => await register(app), { code: 'FST_ERR_DUPLICATED_ROUTE' }, url);
    await app.close();
  }
});
