/** SIGHUP gives the running command new certificates on both sides; pipes that are live notice nothing. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { type BackendProcess, startBackend } from '../support/backend-process.ts';
import { certificates, makeCertificates, type TestCertificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { type LogLine, type RunningCommand, startCommand, temporaryFolder } from '../support/command.ts';
import { audit } from '../support/numbered.ts';
import { deferred, until, withTimeout } from '../support/wait.ts';

interface Stage {
  readonly old: TestCertificates;
  readonly renewed: TestCertificates;
  readonly command: RunningCommand;
  readonly port: number;
  readonly backend: BackendProcess;
  write(name: 'cert' | 'key' | 'backend-ca' | 'client-cert' | 'client-key', pem: string): void;
  /** Sends SIGHUP; the events of this reload, when both sides have said how it went. */
  reload(): Promise<LogLine[]>;
}

async function start(t: TestContext): Promise<Stage> {
  const [old, renewed] = await Promise.all([certificates(), makeCertificates('Renewed Test CA')]);
  const folder = temporaryFolder(t);
  const write: Stage['write'] = (name, pem) => writeFileSync(join(folder, `${name}.pem`), pem);
  write('cert', old.server.cert);
  write('key', old.server.key);
  write('backend-ca', old.ca.cert);
  write('client-cert', old.client.cert);
  write('client-key', old.client.key);
  const clientCa = `${old.ca.cert}\n${renewed.ca.cert}`;
  const backend = await startBackend(t, { record: true, tls: { ...old.server, clientCa } });
  const command = await startCommand(t, {
    env: {
      HOLDFAST_BACKENDS: backend.url,
      HOLDFAST_TLS_CERT: join(folder, 'cert.pem'),
      HOLDFAST_TLS_KEY: join(folder, 'key.pem'),
      HOLDFAST_BACKEND_TLS_CA: join(folder, 'backend-ca.pem'),
      HOLDFAST_BACKEND_TLS_CERT: join(folder, 'client-cert.pem'),
      HOLDFAST_BACKEND_TLS_KEY: join(folder, 'client-key.pem'),
    },
  });
  assert.match(command.http, /^https:/);
  const reloads = () => command.log().filter(({ event }) => event?.startsWith('tls.') === true);
  const reload: Stage['reload'] = async () => {
    const before = reloads().length;
    command.kill('SIGHUP');
    await until(() => reloads().length === before + 2, { what: () => `two more lines\n${command.stdout}` });
    return reloads().slice(before);
  };
  return { old, renewed, command, port: Number(new URL(command.http).port), backend, write, reload };
}

/** Fingerprint of what the command shows to a new connection. */
async function shownCertificate(port: number): Promise<string> {
  const shown = deferred<string>();
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () =>
    shown.resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? 'none'),
  ).on('error', shown.reject);
  try {
    return await withTimeout(shown.promise, 5000, 'the TLS handshake');
  } finally {
    socket.destroy();
  }
}
const fingerprint = (pem: string): string => new X509Certificate(pem).fingerprint256;

test('after SIGHUP new connections see the renewed certificates on both sides, and no live pipe is interrupted', async (t) => {
  const { old, renewed, command, port, backend, write, reload } = await start(t);
  const clients = await Promise.all(
    Array.from({ length: 5 }, () => connect(t, command.ws, { ca: old.ca.cert, collect: true })),
  );
  const runs = clients.map((client) => client.sendNumbered({ intervalMs: 5 }));
  await until(() => clients.every((client) => client.numbered.length > 10), { what: 'echoes before the renewal' });
  assert.equal(await shownCertificate(port), fingerprint(old.server.cert));

  write('cert', renewed.server.cert);
  write('key', renewed.server.key);
  write('backend-ca', `${old.ca.cert}\n${renewed.ca.cert}`);
  write('client-cert', renewed.client.cert);
  write('client-key', renewed.client.key);
  const told = await reload();
  assert.deepEqual(told.map(({ event, part }) => `${event} ${part}`).sort(), [
    'tls.reloaded backends',
    'tls.reloaded clients',
  ]);
  for (const { validTo } of told) assert.ok(Date.parse(String(validTo)) > Date.now(), String(validTo));

  assert.equal(await shownCertificate(port), fingerprint(renewed.server.cert));
  await assert.rejects(connect(t, command.ws, { ca: old.ca.cert }), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  const later = await connect(t, command.ws, { ca: renewed.ca.cert });
  assert.equal((await later.ask('hello')).text, 'hello');
  // Both certificates have the same name; which one was shown is told by its number.
  const shown = backend.received().map(({ clientSerial }) => clientSerial);
  assert.deepEqual(
    [...new Set(shown)],
    [new X509Certificate(old.client.cert).serialNumber, new X509Certificate(renewed.client.cert).serialNumber],
  );

  const renewedBackend = await startBackend(t, {
    tag: 'renewed',
    tls: { ...renewed.server, clientCa: renewed.ca.cert },
  });
  await command.admin('POST', '/backends', { id: 'renewed', url: renewedBackend.url }, renewed.ca.cert);
  const next = await connect(t, command.ws, { ca: renewed.ca.cert });
  assert.equal((await next.ask('hello')).text, 'renewed:hello', 'the renewed authority is trusted');

  const counts = clients.map((client) => client.numbered.length);
  await until(() => clients.every((client, index) => client.numbered.length > counts[index]! + 20), {
    what: 'echoes after the renewal',
  });
  for (const run of runs) run.stop();
  for (const [index, client] of clients.entries()) {
    const sent = await runs[index]!.done;
    await until(() => client.numbered.length >= sent, { what: 'the last echoes' });
    assert.deepEqual(
      audit(
        client.numbered.map(({ n }) => n),
        sent,
      ),
      { received: sent, missing: [], duplicated: [], outOfOrder: [] },
    );
    assert.equal(client.closeInfo, undefined);
  }
  const events = command.log().map(({ event }) => event);
  assert.ok(!events.includes('pipe.interrupted') && !events.includes('pipe.closed'), String(events));
});

test('files that cannot be used keep the old certificates in use, and the log says what is wrong with them', async (t) => {
  const { old, renewed, command, port, write, reload } = await start(t);
  const client = await connect(t, command.ws, { ca: old.ca.cert });
  const bad: readonly (readonly [what: string, act: () => void, detail: RegExp])[] = [
    ['garbage', () => write('cert', 'not PEM at all'), /^tls\.cert \(.*cert\.pem\) has no certificate/],
    ['a key of another certificate', () => write('cert', renewed.server.cert), /cert\.pem.*key\.pem.*do not belong/],
    [
      'half a file',
      () => write('cert', old.server.cert.slice(0, 300)),
      /^tls\.cert \(.*cert\.pem\) has no certificate/,
    ],
    [
      'one that has expired',
      () => {
        write('cert', old.expired.cert);
        write('key', old.expired.key);
      },
      /^tls\.cert has expired, on 20/,
    ],
  ];
  for (const [what, act, detail] of bad) {
    act();
    const told = await reload();
    assert.deepEqual(
      told.map(({ event, part, level }) => `${event} ${part} ${level}`).sort(),
      ['tls.reload-failed clients 50', 'tls.reloaded backends 30'],
      what,
    );
    assert.match(String(told.find(({ part }) => part === 'clients')?.['detail']), detail, what);
    assert.equal(await shownCertificate(port), fingerprint(old.server.cert), what);
  }
  const towardsBackends: readonly (readonly [act: () => void, detail: RegExp])[] = [
    [() => write('backend-ca', ''), /^backendTls\.ca \(.*\) has no certificate/],
    [
      () => write('backend-ca', `${old.ca.cert}\n${renewed.ca.cert.slice(0, 200)}`),
      /^backendTls\.ca \(.*\) has a certificate in it that does not end/,
    ],
    [
      () => {
        write('backend-ca', old.ca.cert);
        write('client-cert', old.expired.cert);
        write('client-key', old.expired.key);
      },
      /^backendTls\.cert has expired, on 20/,
    ],
  ];
  for (const [act, detail] of towardsBackends) {
    act();
    const told = (await reload()).find(({ part }) => part === 'backends');
    assert.equal(told?.event, 'tls.reload-failed');
    assert.match(String(told['detail']), detail);
  }
  const next = await connect(t, command.ws, { ca: old.ca.cert });
  assert.equal((await next.ask('a new dial')).text, 'a new dial');
  assert.equal((await client.ask('still here')).text, 'still here');
  assert.ok(!command.stdout.includes('PRIVATE KEY'));

  write('cert', renewed.server.cert);
  write('key', renewed.server.key);
  write('backend-ca', old.ca.cert);
  await reload();
  assert.equal(await shownCertificate(port), fingerprint(renewed.server.cert), 'mended files are taken');
});

test('SIGHUP without TLS is told and changes nothing', async (t) => {
  const backend = await startBackend(t);
  const command = await startCommand(t, { env: { HOLDFAST_BACKENDS: backend.url } });
  const client = await connect(t, command.ws);
  command.kill('SIGHUP');
  await until(() => command.log().some(({ msg }) => msg.startsWith('SIGHUP: there are no certificates')), {
    what: () => command.stdout,
  });
  assert.equal((await client.ask('still here')).text, 'still here');
});
