/** Floods of new connections beside a client who is there: counted in handshakes and turns, so that it holds on any machine. Times: `bench/floods.ts`. */
import assert from 'node:assert/strict';
import { connect as connectTcp, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { turns } from '../../src/link/turns.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { handshakeRequest } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const comers = 400;
/** Of them, at most so many have begun before the good client has its answer: they go on while its backend, another process, answers. */
const share = 0.4;

/** Before the gateway is started, so that they are gone when it ends: node's server waits for them. */
function comersOf(t: TestContext): Socket[] {
  const sockets: Socket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  return sockets;
}

async function arrive(sockets: Socket[], { app, port }: TestGateway): Promise<void> {
  let accepted = 0;
  app.server.on('connection', () => {
    accepted += 1;
  });
  for (let n = 0; n < comers; n += 1) sockets.push(connectTcp({ port, host: '127.0.0.1' }).resume());
  await until(() => accepted === comers, { what: () => `all to be accepted; ${accepted} are` });
}

test(`${comers} who connect and leave wait for the one message of another client, not it for them`, async (t) => {
  const sockets = comersOf(t);
  const backend = await startBackend(t);
  let begun = 0;
  const gateway = await startGateway(t, {
    backends: [backend.url],
    prepare: (app) => void app.addHook('onRequest', async () => void begun++),
  });
  const good = await connect(t, gateway.url);
  assert.equal((await good.ask('ready')).text, 'ready');
  await arrive(sockets, gateway);
  const before = begun;
  for (const socket of sockets) {
    socket.write(handshakeRequest({ port: gateway.port, path: '/ws' }, 'dGhlIHNhbXBsZSBub25jZQ=='));
    socket.once('data', () => socket.destroy());
  }
  assert.equal((await good.ask('in time')).text, 'in time');
  const first = begun - before;

  assert.ok(first < comers * share, `${first} of ${comers} handshakes began first`);
  // They have their turns as well, and leave nothing behind.
  const { manager } = gateway;
  const left = () => gateway.eventsOf('pipe.closed').length;
  await until(() => left() === comers && manager.entrance.pipes === 1 && manager.entrance.arriving === 0, {
    timeoutMs: 60_000,
    what: () => `all to have come and gone; ${left()} have, ${manager.entrance.pipes} are there`,
  });
  assert.equal(begun - before, comers);
  assert.equal((await good.ask('still here')).text, 'still here');
});

test(`${comers} TCP connections that say nothing take no slot and no turn, and are dropped in time; who is there stays`, async (t) => {
  const sockets = comersOf(t);
  const backend = await startBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    limits: { maxPipes: 2, maxPipesPerAddress: 2, exemptAddresses: [] },
    fastify: { http: { headersTimeout: 1000, connectionsCheckingInterval: 100 } },
  });
  const { manager } = gateway;
  const good = await connect(t, gateway.url);
  assert.equal((await good.ask('ready')).text, 'ready');
  const taken = turns.taken;
  await arrive(sockets, gateway);
  for (let n = 0; n < 20; n += 1) assert.equal((await good.ask(`${n}`)).text, `${n}`);
  assert.equal(turns.taken, taken);
  assert.deepEqual([manager.entrance.arriving, manager.entrance.pipes], [0, 1]);
  const newcomer = await connect(t, gateway.url);
  assert.equal((await newcomer.ask('in')).text, 'in');
  const open = () => sockets.filter(({ closed }) => !closed).length;
  await until(() => open() === 0, { timeoutMs: 10_000, what: () => `all to be dropped; ${open()} are not` });
  for (const client of [good, newcomer]) assert.equal((await client.ask('still here')).text, 'still here');
});
