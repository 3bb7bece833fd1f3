/** `localhost` may have two addresses: after a renewal no certificate from before is left on either. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import dns from 'node:dns';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { certificates, makeCertificates } from '../support/certificates.ts';
import { temporaryFolder } from '../support/command.ts';
import { adminToken, startGateway } from '../support/gateway.ts';

/** Serial number of the certificate; null = nobody listens there. */
function shown(host: string, port: number): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    }).on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNREFUSED' ? resolve(null) : reject(error)));
  });
}

test('an admin port on localhost shows the renewed certificate on every address it listens on', async (t) => {
  const lookup = dns.lookup as (host: string, options: object, done: (...found: unknown[]) => void) => void;
  const both = [
    { address: '127.0.0.1', family: 4 },
    { address: '127.0.0.2', family: 4 },
  ];
  t.mock.method(dns, 'lookup', (host: string, options: { all?: boolean }, done: (...found: unknown[]) => void) => {
    if (host === 'localhost' && options.all === true) done(null, both);
    else lookup(host, options, done);
  });
  const [old, renewed] = await Promise.all([certificates(), makeCertificates('Renewed Admin CA')]);
  const folder = temporaryFolder(t);
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const write = ({ cert, key }: { cert: string; key: string }): void => {
    writeFileSync(tls.cert, cert);
    writeFileSync(tls.key, key);
  };
  write(old.server);
  const listen = { host: 'localhost', port: 0, tls };
  const { app, manager } = await startGateway(t, { admin: { auth: { tokens: [adminToken] }, listen } });
  const { port } = app.adminServer!.server.address() as AddressInfo;
  const serials = async () => new Set([await shown('127.0.0.1', port), await shown('127.0.0.2', port)]);
  const serialOf = ({ cert }: { cert: string }): string => new X509Certificate(cert).serialNumber;
  const before = await serials();
  assert.ok(before.has(serialOf(old.server)));
  write(renewed.server);
  manager.reloadTls();
  const after = await serials();
  assert.ok(after.has(serialOf(renewed.server)));
  assert.ok(!after.has(serialOf(old.server)));
});
