/** Balancing policies, seen in where clients end up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';

const closing = { handshakeMs: 200, lingerMs: 200 };

async function distribution(
  t: import('node:test').TestContext,
  balancing: NonNullable<TestGatewayOptions['pool']>['balancing'],
  weights: readonly number[],
  clients: number,
  idOf: (n: number) => string = (n) => `client-${n}`,
): Promise<number[]> {
  const backends = await Promise.all(
    weights.map(() => startRawBackend(t, { autoClose: true, onConnection: (connection) => void connection.accept() })),
  );
  const gateway = await startGateway(t, {
    backends: backends.map(({ url }, index) => ({ url, id: `b${index}`, weight: weights[index]! })),
    pool: { balancing },
    path: '/ws/:clientId',
    closing,
  });
  for (let n = 0; n < clients; n += 1)
    await connectRaw(t, { port: gateway.port, path: `/ws/${idOf(n)}`, autoClose: true });
  const counts = backends.map(({ connections }) => connections.all.length);
  t.diagnostic(`${balancing} with the weights ${weights.join(' ')}: ${counts.join(' ')}`);
  return counts;
}

test('round-robin gives each its share by weight, in turn', async (t) => {
  assert.deepEqual(await distribution(t, 'round-robin', [1, 1, 1], 30), [10, 10, 10]);
  assert.deepEqual(await distribution(t, 'round-robin', [3, 1, 1], 30), [18, 6, 6]);
});

test('least-connections gives each its share by weight', async (t) => {
  assert.deepEqual(await distribution(t, 'least-connections', [1, 1, 1], 30), [10, 10, 10]);
  const [a, b] = await distribution(t, 'least-connections', [2, 1], 30);
  assert.ok(a! >= 19 && a! <= 21, `${a}`);
  assert.equal(a! + b!, 30);
});

test('random-two comes near to even', async (t) => {
  for (const count of await distribution(t, 'random-two', [1, 1, 1], 60))
    assert.ok(count >= 12 && count <= 28, `${count}`);
});

test('hash gives the same id the same backend, and different ids all of them', async (t) => {
  const spread = await distribution(t, 'hash', [1, 1, 1], 60);
  for (const count of spread) assert.ok(count >= 5, `${count}`);
});

test('hash brings a client that reconnects back to its backend', async (t) => {
  const backends = await Promise.all(
    [0, 1, 2].map(() =>
      startRawBackend(t, { autoClose: true, onConnection: (connection) => void connection.accept() }),
    ),
  );
  const gateway = await startGateway(t, {
    backends: backends.map(({ url }, index) => ({ url, id: `b${index}` })),
    pool: { balancing: 'hash' },
    path: '/ws/:clientId',
    closing,
  });
  for (let round = 1; round <= 5; round += 1) {
    const client = await connectRaw(t, { port: gateway.port, path: '/ws/anna', autoClose: true });
    client.destroy();
    await gateway.waitFor('pipe.closed', () => gateway.eventsOf('pipe.closed').length === round);
  }
  const used = new Set(gateway.eventsOf('backend.attached').map(({ backendId }) => backendId));
  assert.equal(used.size, 1);
});
