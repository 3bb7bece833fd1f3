/** A host that answers upgrades of its own too ends while some wait for their turn: none holds its end up, and what it answered is its own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import websocket from '@fastify/websocket';
import { turns } from '../../src/link/turns.ts';
import { startGateway } from '../support/gateway.ts';
import { openRaw } from '../support/raw-client.ts';
import { until, withTimeout } from '../support/wait.ts';

test('upgrades that wait when the host takes its listener away: what its own one answered stays, all else is let go', async (t) => {
  const gateway = await startGateway(null, {
    prepare: async (app) => {
      await app.register(websocket);
      app.server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
        if (request.url === '/own') socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      });
    },
  });
  const { server } = gateway.app;
  const { port } = gateway;
  for (let n = 0; n < 10_000; n += 1) turns.waitToBegin({ takeTurn() {} });
  const requested = once(server, 'upgrade');
  const left = await openRaw(t, { port, path: '/ws' });
  await requested;
  const answered = once(server, 'upgrade') as Promise<[IncomingMessage, Duplex]>;
  await openRaw(t, { port, path: '/own' });
  const [, own] = await answered;
  const ended = withTimeout(gateway.close(), 20_000, 'the app to end');
  await until(() => !server.listeners('upgrade').some(({ name }) => name === 'onUpgrade'), {
    what: 'the listener to be taken away',
  });
  assert.ok(turns.waiting > 2, 'their turn came before the end');
  await until(() => turns.waiting === 0, { timeoutMs: 20_000, what: 'the turns to be over' });
  await left.waitClosed();
  assert.equal(own.destroyed, false, 'what the host answered is open');
  own.destroy();
  await ended;
});
