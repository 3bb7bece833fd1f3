import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { HoldfastSocket } from '../../src/client/index.ts';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

test('as many messages of one byte as the library keeps, all at once, come back on one connection: it counts their frames', async (t) => {
  const backend = await startBackend(t, {});
  const gateway = await startGateway(t, {
    backends: [backend.url],
    buffer: { maxBytesPerPipe: 256 * 1024, maxDownstreamBytes: 32 * 1024 },
    heartbeat: { client: { intervalMs: 0 } },
  });
  const socket = new HoldfastSocket(gateway.url, [], { WebSocket: WebSocket as never });
  t.after(() => socket.close());
  let echoes = 0;
  socket.addEventListener('message', () => {
    echoes += 1;
  });
  await until(() => gateway.manager.size === 1 && socket.readyState === socket.OPEN, { what: 'the session' });
  let sent = 0;
  while (socket.send('x')) sent += 1;
  assert.ok(sent > 10_000, `${sent} messages`);
  await until(() => echoes === sent, { timeoutMs: 30_000, what: () => `${sent} echoes; ${echoes} came` });
  await until(() => socket.bufferedAmount === 0, { what: 'all acknowledged' });
  assert.deepEqual(gateway.eventsOf('client.detached'), []);
});
