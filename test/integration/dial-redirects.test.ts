/** A backend that answers an upgrade with a redirect has failed: nothing is followed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';

test('a redirect is never followed; the client gets another backend', async (t) => {
  const target = await startBackend(t, { tag: 'target', record: true });
  const good = await startBackend(t, { tag: 'good' });
  for (const status of [301, 302, 303, 307, 308]) {
    const sly = await startRawBackend(t, {
      onConnection: (connection) =>
        void connection.respond(`HTTP/1.1 ${status} Elsewhere`, {
          Location: target.url.replace('ws:', 'http:'),
          'Content-Length': '0',
        }),
    });
    const gateway = await startGateway(t, {
      backends: [sly.url, good.url],
      pool: { balancing: 'round-robin' },
      closing: { handshakeMs: 200, lingerMs: 200 },
    });
    const client = await connect(t, gateway.url);
    assert.equal((await client.ask('who')).text, 'good:who');
    const failed = await gateway.waitFor('backend.attempt-failed');
    assert.deepEqual([failed.failure, failed.statusCode], ['status', status]);
    await gateway.close();
  }
  assert.deepEqual(target.upgrades(), []);
});
