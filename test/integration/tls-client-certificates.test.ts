import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { startCommand, temporaryFolder } from '../support/command.ts';

test('tls.clientCa: a client with a certificate of that authority is let in; without one, or with a stranger\u2019s, nothing of it reaches a backend', async (t) => {
  const { ca, server, client: own, stranger } = await certificates();
  const folder = temporaryFolder(t);
  const file = (name: string, pem: string): string => {
    writeFileSync(join(folder, name), pem);
    return join(folder, name);
  };
  const backend = await startBackend(t, { tag: 'a', record: true });
  const command = await startCommand(t, {
    env: {
      HOLDFAST_BACKENDS: backend.url,
      HOLDFAST_TLS_CERT: file('cert', server.cert),
      HOLDFAST_TLS_KEY: file('key', server.key),
      HOLDFAST_TLS_CLIENT_CA: file('client-ca', ca.cert),
    },
  });
  // TLS 1.3 tells the client only after its own end of the handshake, and it cannot have its answer either way.
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const trusting = { ca: ca.cert, maxVersion };
    await assert.rejects(connect(t, command.ws, trusting), 'without a certificate');
    await assert.rejects(connect(t, command.ws, { ...trusting, ...stranger }), "with a stranger's");
    const client = await connect(t, command.ws, { ...trusting, ...own });
    assert.equal((await client.ask('hello')).text, 'a:hello');
  }
  assert.equal(backend.upgrades().length, 2);
});
