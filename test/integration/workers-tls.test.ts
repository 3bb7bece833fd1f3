/** Workers serve https and wss, and SIGHUP gives all of them the new certificate. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { startBackend } from '../support/backend-process.ts';
import { certificates, makeCertificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { temporaryFolder } from '../support/command.ts';
import { until } from '../support/wait.ts';
import { patienceMs, startWorkers } from '../support/workers.ts';

/** Fingerprint of what a new connection is shown. */
function shown(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? 'none');
      socket.destroy();
    }).on('error', reject);
  });
}

test('both workers show the certificate, and after SIGHUP the new one; live pipes notice nothing', async (t) => {
  const [old, renewed] = await Promise.all([certificates(), makeCertificates('Renewed Test CA')]);
  const folder = temporaryFolder(t);
  const write = ({ cert, key }: { cert: string; key: string }): void => {
    writeFileSync(join(folder, 'cert.pem'), cert);
    writeFileSync(join(folder, 'key.pem'), key);
  };
  write(old.server);
  const backend = await startBackend(t);
  const workers = await startWorkers(t, {
    settings: {
      backends: [backend.url],
      tls: { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') },
    },
    ca: old.ca.cert,
  });
  const port = Number(new URL(workers.http).port);
  const clients = [
    await connect(t, workers.ws, { ca: old.ca.cert }),
    await connect(t, workers.ws, { ca: old.ca.cert }),
  ];
  const fingerprints = async () => [
    ...new Set([await shown(port), await shown(port), await shown(port), await shown(port)]),
  ];
  assert.deepEqual(await fingerprints(), [new X509Certificate(old.server.cert).fingerprint256]);

  write(renewed.server);
  workers.kill('SIGHUP');
  const reloads = () => workers.log().filter(({ event }) => event === 'tls.reloaded');
  await until(() => reloads().length === 2, { timeoutMs: patienceMs, what: () => `both to reload\n${workers.stdout}` });
  assert.deepEqual(
    reloads()
      .map((line) => line['worker'])
      .sort(),
    [1, 2],
  );
  assert.deepEqual(await fingerprints(), [new X509Certificate(renewed.server.cert).fingerprint256]);
  for (const client of clients) assert.equal((await client.ask('still')).text, 'still');
});
