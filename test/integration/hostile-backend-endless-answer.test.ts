/** A backend that pours in what is no answer, at a dial and at a health check: left at once, not parsed until the time is over. */
import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { servedByTheNext } from './hostile-backend-scenario.ts';

/** Sockets of this machine may take some MiB themselves. */
const kernelBytes = 16 * 1_048_576;
const closing = { handshakeMs: 200, lingerMs: 200 };
const interim = 'too many interim answers (1xx)';
const floods = [
  ['100 Continue', 'HTTP/1.1 100 Continue\r\n\r\n', interim],
  ['102 Processing', 'HTTP/1.1 102 Processing\r\n\r\n', interim],
  ['103 with long heads', `HTTP/1.1 103 Early Hints\r\n${'Link: </a>\r\n'.repeat(1000)}\r\n`, interim],
  ['line ends', '\r\n', 'it sends, but no answer'],
] as const;

/** Answers each request with `text`, as often as it is taken. */
async function startFlood(t: TestContext, text: string): Promise<{ url: string; open(): number; taken(): number }> {
  const bytes = Buffer.from(text.repeat(Math.ceil(1_048_576 / text.length)));
  const sockets = new Set<Socket>();
  let ended = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    const write = (): void => {
      while (!socket.destroyed && socket.write(bytes));
    };
    socket
      .once('data', write)
      .on('drain', write)
      .on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      ended += socket.bytesWritten;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as { port: number }).port}`,
    open: () => sockets.size,
    taken: () => ended,
  };
}

for (const [what, text, detail] of floods) {
  test(`an endless flood of ${what} in place of an answer fails a dial at once, and the next backend is taken`, async (t) => {
    const bad = await startFlood(t, text);
    const gateway = await startGateway(t, { backends: [{ id: 'bad', url: bad.url }], closing });
    const opening = connectRaw(t, { port: gateway.port, path: '/ws' });
    const failed = await gateway.waitFor('backend.attempt-failed');
    assert.deepEqual([failed.failure, failed.detail], ['bad-handshake', detail]);
    await servedByTheNext(t, gateway, opening);
    await until(() => bad.open() === 0, { what: 'its connections to be ended' });
    const dials = gateway.eventsOf('backend.attempt-failed').length;
    assert.ok(bad.taken() < dials * kernelBytes, `${bad.taken()} bytes were taken in ${dials} dials`);
  });
}

for (const kind of ['websocket', 'http'] as const) {
  test(`an endless flood of 100 Continue in place of an answer fails a health check (${kind}) at once`, async (t) => {
    const bad = await startFlood(t, floods[0][1]);
    const gateway = await startGateway(t, {
      backends: [{ id: 'bad', url: bad.url }],
      pool: { health: { kind, path: '/', intervalMs: 1000, timeoutMs: 1000, fall: 1 } },
    });
    assert.equal((await gateway.waitFor('backend.unhealthy')).detail, interim);
    await until(() => bad.open() === 0, { what: 'its connection to be ended' });
    assert.ok(bad.taken() < kernelBytes, `${bad.taken()} bytes were taken`);
  });
}

test('eight interim answers are read over, and the handshake behind them counts', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const opening = connectRaw(t, { port: gateway.port, path: '/ws' });
  const link = await backend.nextConnection();
  await link.sendBytes(Buffer.from(floods[2][1].repeat(8)));
  await link.accept();
  const client = await opening;
  await client.sendText('through');
  assert.equal((await link.nextMessage()).text, 'through');
});
