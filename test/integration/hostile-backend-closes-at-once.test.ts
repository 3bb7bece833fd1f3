/** A backend that ends each connection before it says a word is not dialled in a spin. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { sleep } from '../support/wait.ts';

for (const how of ['a FIN', 'a reset'] as const) {
  test(`a backend that answers each connection with ${how} gets some ten dials in two seconds, not thousands`, async (t) => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.on('error', () => {}).resume();
      if (how === 'a FIN') socket.end();
      else socket.resetAndDestroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => void server.close());
    const { port } = server.address() as { port: number };
    const gateway = await startGateway(t, {
      backends: [{ id: 'bad', url: `ws://127.0.0.1:${port}` }],
      failover: { handshakeWaitMs: 50 },
      closing: { handshakeMs: 200, lingerMs: 200 },
    });
    const client = await connect(t, gateway.url);
    const failed = await gateway.waitFor('backend.attempt-failed');
    assert.equal(failed.failure, 'refused');
    assert.match(
      failed.detail,
      /^the connection (ended|was reset \(ECONNRESET\)) before the request was answered: if that port speaks TLS, register it as wss:\/\/$/,
    );
    // What is looked for is what does not happen: dials.
    await sleep(2000);
    assert.ok(connections >= 3 && connections <= 25, `${connections} dials`);
    const { body } = await gateway.admin('GET', '/backends/bad');
    const { health, lastError } = body as { health: string; lastError: { detail: string } };
    assert.equal(health, 'unhealthy');
    assert.equal(lastError.detail, failed.detail);

    const good = await startRawBackend(t);
    gateway.manager.registerBackend({ id: 'good', url: good.url });
    const link = await good.acceptNext();
    client.send('kept meanwhile');
    assert.equal((await link.nextMessage()).text, 'kept meanwhile');
  });
}
