import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeFrame } from '../support/frame-codec.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const timeoutMs = 1000;
const payload = Buffer.alloc(65_536, 1);

test('Two ends that both send and do not read do not wait for each other for ever: the one that takes nothing is dropped', async (t) => {
  const gateway = await startGateway(t, {
    heartbeat: { client: { intervalMs: 250, timeoutMs }, backend: { intervalMs: 250, timeoutMs } },
    buffer: { maxBytesPerPipe: 1_048_576, maxDownstreamBytes: 262_144 },
    failover: { maxInterruptionMs: 2000 },
    closing: { lingerMs: 500, handshakeMs: 500 },
  });
  const server = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
  gateway.manager.registerBackend({ id: 'a', url: server.url });
  const client = await connectRaw(t, { port: gateway.port, path: '/ws' });
  const backend = await server.nextConnection();
  client.pause();
  backend.pause();
  const up = encodeFrame({ opcode: 'binary', payload, mask: true });
  const down = encodeFrame({ opcode: 'binary', payload, mask: false });
  const timer = setInterval(() => {
    for (let n = 0; n < 8; n += 1) {
      if (client.socket.writableLength < 4 * up.length) void client.sendBytes(up);
      if (backend.socket.writableLength < 4 * down.length) void backend.sendBytes(down);
    }
  }, 5);
  t.after(() => clearInterval(timer));

  for (const direction of ['toBackend', 'toClient'] as const) {
    await gateway.waitFor('pipe.paused', (one) => one.direction === direction, 10_000);
  }
  const pausedAt = performance.now();
  const verdict = await gateway.waitFor('heartbeat.timeout', undefined, timeoutMs + 4000);
  const foundMs = performance.now() - pausedAt;
  assert.equal(verdict.cause, 'no-progress');
  assert.ok(verdict.silentMs >= timeoutMs - 0.01 && verdict.silentMs <= timeoutMs + 62, `${verdict.silentMs} ms`);
  assert.ok(foundMs <= timeoutMs + 2500, `${foundMs} ms`);
  // Whichever was first: in the end nothing of it is left.
  await until(() => gateway.manager.size === 0, { timeoutMs: 12_000, what: 'the pipe to end' });
  assert.ok(
    ['no-progress', 'interruption-too-long', 'buffer-full', 'poison'].includes(
      gateway.eventsOf('pipe.closed')[0]!.reason,
    ),
  );
  assert.equal(gateway.manager.budget.usedBytes, 0);
  t.diagnostic(
    `the ${verdict.hop} was found after ${foundMs.toFixed(0)} ms; closed: ${gateway.eventsOf('pipe.closed')[0]!.reason}`,
  );
});
