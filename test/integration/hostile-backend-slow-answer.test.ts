/** Backends that keep a dial waiting: given up within pool.dialTimeoutMs, told apart in words, and the next one is taken. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { servedByTheNext } from './hostile-backend-scenario.ts';
import { assertReached } from './limits-scenario.ts';

const dialTimeoutMs = 400;

/** Accepts connections and writes `text` again and again; it reads, and never ends by itself. */
async function startDripper(
  t: TestContext,
  first: string,
  text: string,
  everyMs: number,
): Promise<{ port: number; open(): number; written(): number }> {
  const sockets = new Set<Socket>();
  let written = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).resume();
    socket.write(first);
    const timer = setInterval(() => {
      if (socket.writableLength > 0) return;
      socket.write(text);
      written += text.length;
    }, everyMs);
    socket.on('close', () => {
      clearInterval(timer);
      sockets.delete(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, open: () => sockets.size, written: () => written };
}

const cases: readonly (readonly [
  name: string,
  scheme: 'ws' | 'wss',
  drip: readonly [first: string, text: string, everyMs: number],
  failure: string,
  detail: RegExp,
])[] = [
  [
    'answers the handshake one byte a second',
    'ws',
    ['H', 'T', 1000],
    'timeout',
    /^connected, but the request was not answered within 400 ms$/,
  ],
  [
    'sends an endless head, line by line',
    'ws',
    ['HTTP/1.1 101 Switching Protocols\r\n', 'X-More: of the same\r\n'.repeat(200), 10],
    'bad-handshake',
    /^the head of its answer is too long \(HPE_HEADER_OVERFLOW\)$/,
  ],
  [
    'sends an endless row of interim answers',
    'ws',
    ['', 'HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n', 10],
    'bad-handshake',
    /^too many interim answers \(1xx\)$/,
  ],
  [
    'says nothing where TLS should begin',
    'wss',
    ['', '', 1000],
    'timeout',
    /^connected, but no TLS handshake within 400 ms: if that port speaks plain text, register it as ws:\/\/$/,
  ],
];

for (const [name, scheme, [first, text, everyMs], failure, detail] of cases) {
  test(`a backend that ${name} is given up in time, and the next one is taken`, async (t) => {
    const bad = await startDripper(t, first, text, everyMs);
    const gateway = await startGateway(t, {
      backends: [{ id: 'bad', url: `${scheme}://127.0.0.1:${bad.port}` }],
      pool: { dialTimeoutMs },
      closing: { handshakeMs: 200, lingerMs: 200 },
    });
    const startedAt = performance.now();
    const opening = connectRaw(t, { port: gateway.port, path: '/ws' });
    const failed = await gateway.waitFor('backend.attempt-failed');
    assert.ok(performance.now() - startedAt < dialTimeoutMs + 1500);
    assert.equal(failed.failure, failure, failed.detail);
    assert.match(failed.detail, detail);
    assert.equal(gateway.manager.backend('bad').lastError?.detail, failed.detail, 'GET /backends says the same');
    if (failure === 'timeout') await assertReached(gateway, 'holdfast_dials_total{result="timeout"}');
    await servedByTheNext(t, gateway, opening);
    await until(() => bad.open() === 0, { what: 'its connections to be ended' });
    assert.ok(bad.written() < 20_000_000, `${bad.written()} bytes were taken from it`);
  });
}
