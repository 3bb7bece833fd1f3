/** The library gives its first attempt up before the gateway has a backend for it: it comes in later, also under its own client id. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { HoldfastSocket } from '../../src/client/index.ts';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

test('a first welcome that is late costs an attempt, not the client: nothing of it is left at the gateway', async (t) => {
  const gateway = await startGateway(t, { path: '/ws/:clientId', failover: { handshakeWaitMs: 20_000 } });
  const states: string[] = [];
  const socket = new HoldfastSocket(`${gateway.url}/abc`, [], {
    WebSocket: WebSocket as never,
    connectTimeoutMs: 200,
    minBackoffMs: 20,
    maxBackoffMs: 50,
    maxAttempts: Number.POSITIVE_INFINITY,
  });
  t.after(() => socket.close());
  socket.addEventListener('state', ({ detail }) => states.push(`${detail.state} ${detail.reason} ${detail.code}`));
  await until(() => states.filter((state) => state === 'connecting timeout 1006').length > 2, {
    what: () => `attempts that were given up: ${states.join()}`,
  });
  const backend = await startBackend(t, { tag: 'a' });
  await gateway.admin('POST', '/backends', { url: backend.url });
  await until(() => socket.state.state === 'open', { what: () => `an open socket: ${states.join()}` });
  assert.equal(gateway.manager.size, 1);
});
