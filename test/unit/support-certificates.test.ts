import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { connectRaw } from '../support/raw-client.ts';

describe('certificates', () => {
  it('let a wss client trust the server', async (t) => {
    const { ca, server } = await certificates();
    const backend = await startBackend(t, { tls: server });
    const client = await connect(t, backend.url, { ca: ca.cert });
    assert.equal((await client.ask('safe')).text, 'safe');
    const raw = await connectRaw(t, { port: backend.port, tls: { ca: ca.cert } });
    await raw.sendText('raw');
    assert.equal((await raw.nextFrame()).text, 'raw');
    await assert.rejects(connect(t, backend.url), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  });

  it('are refused where they are wrong', async (t) => {
    const { ca, expired, wrongName, stranger } = await certificates();
    const wrong = [
      [expired, 'CERT_HAS_EXPIRED'],
      [wrongName, 'ERR_TLS_CERT_ALTNAME_INVALID'],
      [stranger, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ] as const;
    for (const [tls, code] of wrong) {
      const backend = await startBackend(t, { tls });
      await assert.rejects(connect(t, backend.url, { ca: ca.cert }), { code });
    }
  });

  it('name the client', async (t) => {
    const { ca, server, client: own } = await certificates();
    const backend = await startBackend(t, { tls: { ...server, clientCa: ca.cert }, record: true });
    await assert.rejects(connect(t, backend.url, { ca: ca.cert }));
    const client = await connect(t, backend.url, { ca: ca.cert, cert: own.cert, key: own.key });
    await client.ask('hi');
    assert.equal(backend.received()[0]?.clientCertificate, 'Holdfast Test Client');
  });
});
