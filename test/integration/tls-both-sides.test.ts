/** wss towards clients and backends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';

const closing = { handshakeMs: 300, lingerMs: 300 };

test('wss on both sides relays, fails over, and tells backends that the client came by https', async (t) => {
  const { ca, server, client: own } = await certificates();
  const tls = { ...server, clientCa: ca.cert };
  const [one, two] = await Promise.all([
    startBackend(t, { tls, tag: 'one', record: true }),
    startBackend(t, { tls, tag: 'two', record: true }),
  ]);
  assert.match(one.url, /^wss:/);
  const gateway = await startGateway(t, {
    fastify: { https: server },
    backends: [one.url],
    backendTls: { ca: ca.cert, cert: own.cert, key: own.key },
    closing,
  });
  assert.match(gateway.url, /^wss:/);
  const client = await connect(t, gateway.url, { ca: ca.cert });
  const big = 'x'.repeat(1_000_000);
  assert.equal((await client.ask(big)).text, `one:${big}`);
  gateway.manager.registerBackend({ url: two.url });
  one.kill();
  await gateway.waitFor('pipe.restored');
  client.send('again');
  await client.waitFor('two:again');
  assert.equal(two.upgrades()[0]?.headers['x-forwarded-proto'], 'https');
  client.close(1000);
  assert.equal((await client.waitClosed()).code, 1000);
});

for (const bad of ['stranger', 'expired', 'wrongName'] as const) {
  test(`a wss backend whose certificate is ${bad} fails with 'tls', and the next one is taken`, async (t) => {
    const all = await certificates();
    const refused = await startRawBackend(t, { tls: all[bad] });
    const good = await startBackend(t, { tls: all.server, tag: 'good' });
    const gateway = await startGateway(t, {
      backends: [
        { url: refused.url, id: 'bad' },
        { url: good.url, id: 'good' },
      ],
      pool: { balancing: 'round-robin' },
      backendTls: { ca: all.ca.cert },
      closing,
    });
    const client = await connect(t, gateway.url);
    assert.equal((await client.ask('x')).text, 'good:x');
    const [failed] = gateway.eventsOf('backend.attempt-failed');
    assert.equal(failed?.backendId, 'bad');
    assert.equal(failed.failure, 'tls', failed.detail);
    assert.equal(refused.connections.all.length, 0, 'it was sent nothing');
  });
}

test('without backendTls an own CA is unknown', async (t) => {
  const { server } = await certificates();
  const backend = await startRawBackend(t, { tls: server });
  const gateway = await startGateway(t, { backends: [backend.url], failover: { handshakeWaitMs: 200 }, closing });
  await connect(t, gateway.url);
  assert.equal((await gateway.waitFor('backend.attempt-failed')).failure, 'tls');
});

test('a wss url to a backend without TLS, and a ws url to one with it, fail and the next backend is taken', async (t) => {
  const { server, ca } = await certificates();
  const plain = await startRawBackend(t);
  const secure = await startRawBackend(t, { tls: server });
  const good = await startBackend(t, { tag: 'good' });
  const gateway = await startGateway(t, {
    backends: [
      { url: plain.url.replace('ws:', 'wss:'), id: 'plain' },
      { url: secure.url.replace('wss:', 'ws:'), id: 'secure' },
    ],
    pool: { balancing: 'round-robin', dialTimeoutMs: 300 },
    backendTls: { ca: ca.cert },
    closing,
  });
  const opening = connect(t, gateway.url);
  const failedAt = (id: string) => gateway.waitFor('backend.attempt-failed', ({ backendId }) => backendId === id);
  await Promise.all([failedAt('plain'), failedAt('secure')]);
  gateway.manager.registerBackend({ url: good.url, id: 'good' });
  assert.equal((await (await opening).ask('x')).text, 'good:x');
  const failed = gateway.eventsOf('backend.attempt-failed');
  const told = Object.fromEntries(failed.map(({ backendId, failure }) => [backendId, failure]));
  assert.deepEqual(told, { plain: 'timeout', secure: 'refused' });
});
