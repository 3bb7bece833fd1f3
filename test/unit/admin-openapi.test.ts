import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fastify from 'fastify';
import { documentFile } from '../../openapi/generate.ts';
import admin from '../../plugins/admin.ts';
import { build, FakeTarget, token } from '../support/fake-admin-target.ts';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: string[];
  readonly security?: unknown[];
  readonly requestBody?: { content: Record<string, Media> };
  readonly responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
interface Media {
  readonly schema: { $ref?: string };
  readonly examples?: Record<string, unknown>;
}
interface Document {
  readonly info: { version: string };
  readonly servers: { url: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, unknown> };
}

const committed = async () => JSON.parse(await readFile(documentFile, 'utf8')) as Document;
const operations = (document: Document) =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => method !== 'servers')
      .map(([method, operation]) => ({ name: `${method} ${path}`, operation })),
  );

test('GET /docs/json is the committed document', async (t) => {
  const { app } = await build(t);
  const served = (await app.inject('/docs/json')).json<Document>();
  const file = await committed();
  assert.deepEqual(
    { ...served, info: { ...served.info, version: '' } },
    { ...file, info: { ...file.info, version: '' } },
  );
});

test('with a prefix only the server and the place of the upgrade differ', async (t) => {
  const app = fastify();
  t.after(() => app.close());
  await app.register(
    async (scope) => {
      const options = { prefix: '/admin', auth: { tokens: [token] } };
      await scope.register(admin, { target: new FakeTarget(), admin: options, path: '/live/:clientId' });
    },
    { prefix: '/gw' },
  );
  const served = (await app.inject('/gw/admin/docs/json')).json<Document>();
  assert.equal(served.servers[0]?.url, '/gw/admin');
  const own = (paths: Document['paths']) =>
    Object.fromEntries(Object.entries(paths).filter(([path]) => !/ws|live/.test(path)));
  assert.deepEqual(own(served.paths), own((await committed()).paths));
  const upgrade = served.paths['/gw/live/{clientId}'] as unknown as { servers: { url: string }[] };
  assert.equal(upgrade.servers[0]?.url, '/');
});

test('every operation has its id, summary, tag, examples and failures', async () => {
  const all = operations(await committed());
  assert.ok(all.length >= 18, `${all.length} operations`);
  assert.equal(new Set(all.map(({ operation }) => operation.operationId)).size, all.length);
  for (const { name, operation } of all) {
    assert.ok(operation.operationId && operation.summary && operation.tags?.length === 1, name);
    const statuses = Object.keys(operation.responses);
    const open = operation.security?.length === 0;
    if (!open) for (const status of ['400', '401', '500']) assert.ok(statuses.includes(status), `${name} ${status}`);
    if (name.includes('{id}')) assert.ok(statuses.includes('404'), name);
    if (operation.requestBody) for (const status of ['413', '415']) assert.ok(statuses.includes(status), name);
    assert.ok(
      statuses.some((status) => /^(2|101)/.test(status)),
      name,
    );
    const media = [operation.requestBody, ...Object.values(operation.responses)].flatMap((part) =>
      Object.values(part?.content ?? {}),
    );
    for (const { schema, examples } of media) {
      assert.match(schema.$ref ?? '', /^#\/components\/schemas\/[A-Z][A-Za-z]+$/, name);
      assert.ok(Object.keys(examples ?? {}).length > 0, name);
    }
  }
});

test('the page asks no other host for anything', async (t) => {
  const { app } = await build(t, { prefix: '/admin' });
  for (const url of ['/admin/docs', '/admin/docs/']) {
    const page = await app.inject(url);
    assert.doesNotMatch(page.body, /(?:src|href)="(?:https?:)?\/\//);
    const assets = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, asset = '']) => asset);
    assert.ok(assets.length >= 5);
    for (const asset of assets) {
      const { pathname } = new URL(asset, 'http://localhost/admin/docs/');
      assert.equal((await app.inject(pathname)).statusCode, 200, pathname);
    }
  }
  const initializer = (await app.inject('/admin/docs/static/swagger-initializer.js')).body;
  assert.match(initializer, /validatorUrl: null/);
});

test('the drift check passes', async () => {
  const script = fileURLToPath(new URL('../../openapi/generate.ts', import.meta.url));
  await promisify(execFile)(process.execPath, ['--import', 'tsx', script, '--check']);
});
