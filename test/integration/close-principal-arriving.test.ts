/** Who logs out is logged out, however far its connection has come. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { connectResumable } from '../support/resume-client.ts';
import { deferred, until } from '../support/wait.ts';
import { assertNobodyIn } from './limits-scenario.ts';

const authenticate = ({ headers }: { headers: Record<string, unknown> }) => ({ id: String(headers['x-user']) });
const as = (user: string) => ({ headers: { 'x-user': user } });
const resumable = (user: string) => ({ ...as(user), protocols: ['holdfast.v1'] });
const start = '\u001e{"type":"start","resume":null}';
const order = { code: 4401, reason: 'logged out' };
const codeOf = ({ body }: { body: string }) => (JSON.parse(body) as { code: string }).code;
const unauthenticated = 'HOLDFAST_ERR_CLIENT_UNAUTHENTICATED';

test('regression: a client that has not said start yet is closed and counted once, and its start begins nothing', async (t) => {
  const backend = await startBackend(t, { echo: true });
  const gateway = await startGateway(t, { backends: [backend.url], authenticate });
  const [ann, bob] = [await connect(t, gateway.url, resumable('ann')), await connect(t, gateway.url, resumable('bob'))];
  const plain = await connect(t, gateway.url, as('ann'));
  for (const client of [ann, bob]) await client.waitFor(({ text }) => text.includes('"hello"'));
  assert.deepEqual(await gateway.manager.closePrincipal('ann', order), { closed: 2 });
  ann.send(start);
  for (const client of [ann, plain]) assert.deepEqual(await client.waitClosed(), order);
  bob.send(start);
  await bob.waitFor(({ text }) => text.includes('"welcome"'));
  assert.equal(gateway.manager.size, 1);
  assert.equal(await backend.connections(), 1);
  bob.close();
  await assertNobodyIn(gateway);
});

test('a client that waits for the first backend of its pipe is closed and counted once', async (t) => {
  const gateway = await startGateway(t, { authenticate });
  const ann = await connect(t, gateway.url, resumable('ann'));
  await ann.waitFor(({ text }) => text.includes('"hello"'));
  ann.send(start);
  const plain = connectRefused(t, gateway.url, as('ann'));
  await until(() => gateway.manager.size === 2, { what: 'both pipes' });
  assert.deepEqual(await gateway.manager.closePrincipal('ann', order), { closed: 2 });
  assert.deepEqual(await ann.waitClosed(), order);
  const refused = await plain;
  assert.deepEqual([refused.status, codeOf(refused)], [401, unauthenticated]);
  await assertNobodyIn(gateway);
});

test('an upgrade is refused whose client was closed while a hook was at work, in authenticate too, and a later one is not', async (t) => {
  const backend = await startBackend(t);
  const gate = deferred<void>();
  const waiting: string[] = [];
  const slow = async (where: string) => {
    waiting.push(where);
    await gate.promise;
  };
  const gateway = await startGateway(t, {
    backends: [backend.url],
    authenticate: async (request) => {
      const id = String(request.headers['x-user']);
      if (id === 'slow') await slow('authenticate');
      return { id: id === 'slow' ? 'ann' : id };
    },
    clientId: async (request) => {
      if (request.headers['x-user'] !== 'slow') await slow('clientId');
      return request.id;
    },
  });
  const refused = [as('ann'), resumable('ann'), as('slow'), resumable('slow')].map((options) =>
    connectRefused(t, gateway.url, options),
  );
  const others = [connect(t, gateway.url, as('bob')), connectResumable(t, gateway.url, as('bob'))] as const;
  await until(() => waiting.length === 6, { what: 'all to be asked about' });
  assert.deepEqual(await gateway.manager.closePrincipal('ann', order), { closed: 0 });
  gate.resolve();
  for (const { status, ...rest } of await Promise.all(refused))
    assert.deepEqual([status, codeOf(rest)], [401, unauthenticated]);
  await Promise.all(others);
  for (const user of ['ann', 'slow']) await connect(t, gateway.url, as(user));
  assert.equal(gateway.eventsOf('pipe.refused').length, 4);
  assert.equal(gateway.manager.size, 4);
});

test('a client is closed as soon as it is connected where it was closed in a later hook of the host', async (t) => {
  const backend = await startBackend(t);
  const gate = deferred<void>();
  let waiting = 0;
  const gateway = await startGateway(t, {
    backends: [backend.url],
    authenticate,
    prepare: (app: FastifyInstance) => {
      app.addHook('preHandler', async () => {
        waiting += 1;
        await gate.promise;
      });
    },
  });
  const clients = [connect(t, gateway.url, resumable('ann')), connect(t, gateway.url, as('ann'))];
  const bob = connectResumable(t, gateway.url, as('bob'));
  await until(() => waiting === 3, { what: 'all to be in the hook' });
  await gateway.manager.closePrincipal('ann', order);
  gate.resolve();
  for (const client of await Promise.all(clients)) {
    client.send(start);
    assert.equal((await client.waitClosed()).code, 4401);
  }
  (await bob).client.close();
  await assertNobodyIn(gateway);
});
