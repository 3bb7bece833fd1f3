import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { HoldfastSocket } from '../../src/client/index.ts';
import { startBackend } from '../support/backend-process.ts';
import { startGateway } from '../support/gateway.ts';
import { audit } from '../support/numbered.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until } from '../support/wait.ts';

function open(
  url: string,
  options: object = {},
): { socket: HoldfastSocket; texts: string[]; states: string[]; resets: unknown[] } {
  const socket = new HoldfastSocket(url, [], {
    WebSocket: WebSocket as never,
    minBackoffMs: 5,
    maxBackoffMs: 50,
    maxAttempts: 1000,
    ...options,
  });
  const texts: string[] = [];
  const states: string[] = [];
  const resets: unknown[] = [];
  socket.addEventListener('message', (event) => texts.push(String((event as MessageEvent).data)));
  socket.addEventListener('state', (event) => states.push((event as unknown as { state: string }).state));
  socket.addEventListener('reset', (event) => resets.push(event));
  return { socket, texts, states, resets };
}

test('the library keeps its session over 20 cuts: 1,000 messages both ways, none lost, none twice, in order', async (t) => {
  const backend = await startBackend(t, { tag: 'a', record: true });
  const gateway = await startGateway(t, { backends: [backend.url] });
  const relay = await startRelay(t, { targetPort: gateway.port });
  const { socket, texts, resets } = open(`ws://127.0.0.1:${relay.port}/ws`);
  t.after(() => socket.close());
  const total = 1000;
  for (let n = 1; n <= total; n += 1) {
    assert.ok(socket.send(`m ${n}`));
    if (n % 50 === 0) {
      await until(() => texts.length > n - 50, { what: 'answers between two cuts' });
      relay.reset();
    }
  }
  await until(() => texts.length >= total, { timeoutMs: 20_000, what: () => `all answers; ${texts.length} came` });
  const numbers = texts.map((text) => Number(/^a:m (\d+)$/.exec(text)?.[1]));
  const { missing, duplicated, outOfOrder } = audit(numbers, total);
  assert.deepEqual({ missing, duplicated, outOfOrder }, { missing: [], duplicated: [], outOfOrder: [] } as never);
  assert.deepEqual(
    backend.receivedTexts(),
    Array.from({ length: total }, (_, n) => `m ${n + 1}`),
  );
  assert.deepEqual(resets, []);
  assert.equal(gateway.manager.size, 1);
});
