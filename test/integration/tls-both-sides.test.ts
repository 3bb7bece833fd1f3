/** wss towards clients and backends. */
import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { certificates, makeCertificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { temporaryFolder } from '../support/command.ts';
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

const badCertificates = [
  ['stranger', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['expired', 'CERT_HAS_EXPIRED'],
  ['wrongName', 'ERR_TLS_CERT_ALTNAME_INVALID'],
] as const;
for (const [bad, code] of badCertificates) {
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
    assert.equal(failed.detail, `the TLS handshake failed (${code})`);
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

test("a backend that asks for a client certificate and gets none, or a stranger's, fails with a reason", async (t) => {
  const { ca, server, client, stranger } = await certificates();
  const backend = await startBackend(t, { tls: { ...server, clientCa: ca.cert } });
  for (const [own, detail] of [
    [{}, /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/],
    [{ cert: stranger.cert, key: stranger.key }, /UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_REQUIRED/],
  ] as const) {
    const gateway = await startGateway(t, {
      backends: [backend.url],
      backendTls: { ca: ca.cert, ...own },
      failover: { handshakeWaitMs: 50 },
      closing,
    });
    await connect(t, gateway.url);
    const failed = await gateway.waitFor('backend.attempt-failed');
    // What the backend says is often lost to its reset.
    if (failed.failure === 'tls') assert.match(failed.detail, detail);
    else assert.match(failed.detail, /: if it asks for a client certificate, see backendTls\.cert$/);
  }
  const gateway = await startGateway(t, {
    backends: [backend.url],
    backendTls: { ca: Buffer.from(ca.cert), cert: Buffer.from(client.cert), key: Buffer.from(client.key) },
    closing,
  });
  assert.equal((await (await connect(t, gateway.url)).ask('shown')).text, 'shown');
});

test('backendTls.servername is asked for and looked for in place of the host; an encrypted key needs its passphrase', async (t) => {
  const { ca, wrongName, client } = await certificates();
  const key = createPrivateKey(client.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'open',
  });
  const backend = await startBackend(t, { tls: { ...wrongName, clientCa: ca.cert } });
  const backendTls = { ca: ca.cert, cert: client.cert, key, passphrase: 'open', servername: 'elsewhere.example' };
  const gateway = await startGateway(t, { backends: [backend.url], backendTls, closing });
  assert.equal((await (await connect(t, gateway.url)).ask('hello')).text, 'hello');
  await assert.rejects(startGateway(t, { backendTls: { ...backendTls, passphrase: 'wrong' } }), {
    code: 'HOLDFAST_ERR_OPTIONS',
    message: /backendTls\.key .*passphrase/,
  });
});

test('reloadTls takes a renewed authority for dials to come, tells of what cannot be used, and leaves live links alone', async (t) => {
  const [old, renewed] = await Promise.all([certificates(), makeCertificates('Renewed Test CA')]);
  const file = join(temporaryFolder(t), 'ca.pem');
  writeFileSync(file, old.ca.cert);
  const [one, two] = await Promise.all([
    startBackend(t, { tls: old.server, tag: 'one' }),
    startBackend(t, { tls: renewed.server, tag: 'two' }),
  ]);
  const gateway = await startGateway(t, { backends: [one.url], backendTls: { ca: file }, closing });
  const client = await connect(t, gateway.url);
  assert.equal((await client.ask('before')).text, 'one:before');
  writeFileSync(file, 'nonsense');
  const [kept] = gateway.manager.reloadTls();
  assert.match(kept?.error ?? '', /^backendTls\.ca \(.*ca\.pem\) has no certificate/);
  writeFileSync(file, renewed.ca.cert);
  assert.deepEqual(gateway.manager.reloadTls(), [{ part: 'backends', error: null, validTo: null }]);
  assert.deepEqual(
    gateway.events.filter(({ name }) => name.startsWith('tls.')).map(({ name }) => name),
    ['tls.reload-failed', 'tls.reloaded'],
  );
  assert.equal((await client.ask('still')).text, 'one:still');
  gateway.manager.registerBackend({ url: two.url });
  one.kill();
  client.send('after');
  await client.waitFor('two:after');
});

test('a certificate of nobody knows whom is taken where backendTls.rejectUnauthorized is false', async (t) => {
  const { stranger } = await certificates();
  const backend = await startBackend(t, { tls: stranger });
  const gateway = await startGateway(t, {
    backends: [backend.url],
    backendTls: { rejectUnauthorized: false },
    closing,
  });
  assert.equal((await (await connect(t, gateway.url)).ask('hello')).text, 'hello');
});

test('a wss url to a port that speaks plain text, and a ws url to one that speaks TLS, fail at once and say what to register', async (t) => {
  const { server, ca } = await certificates();
  const [plain, secure] = await Promise.all([startBackend(t), startBackend(t, { tls: server })]);
  const good = await startBackend(t, { tag: 'good' });
  const gateway = await startGateway(t, {
    backends: [
      { url: plain.url.replace('ws:', 'wss:'), id: 'plain' },
      { url: secure.url.replace('wss:', 'ws:'), id: 'secure' },
    ],
    backendTls: { ca: ca.cert },
    failover: { handshakeWaitMs: 50 },
    closing,
  });
  const client = await connect(t, gateway.url);
  const failedAt = (id: string) => gateway.waitFor('backend.attempt-failed', ({ backendId }) => backendId === id, 2000);
  const [toPlain, toSecure] = await Promise.all([failedAt('plain'), failedAt('secure')]);
  assert.match(toPlain.detail, /register it as ws:\/\//);
  assert.equal(toSecure.failure, 'refused');
  assert.match(toSecure.detail, /: if that port speaks TLS, register it as wss:\/\/$/);
  gateway.manager.registerBackend({ url: good.url, id: 'good' });
  assert.equal((await client.ask('x')).text, 'good:x');
});
