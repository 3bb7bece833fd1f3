/** SIGHUP gives an admin port of its own new certificates too: its own, and those that its callers must show. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { certificates, makeCertificates, type TestCertificates } from '../support/certificates.ts';
import { commandToken, configFile, type LogLine, startCommand, temporaryFolder } from '../support/command.ts';
import { until } from '../support/wait.ts';

interface Caller {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}
interface Answer {
  readonly status: number;
  /** Serial number of the certificate that the admin port showed. */
  readonly serial: string;
}

interface Stage {
  readonly old: TestCertificates;
  readonly renewed: TestCertificates;
  write(name: 'cert' | 'key' | 'client-ca', pem: string): void;
  /** Sends SIGHUP; what it says of the admin port. */
  reload(): Promise<LogLine>;
  ask(caller: Caller, agent?: Agent): Promise<Answer>;
}

async function start(t: TestContext): Promise<Stage> {
  const [old, renewed] = await Promise.all([certificates(), makeCertificates('Renewed Admin CA')]);
  const folder = temporaryFolder(t);
  const file = (name: string): string => join(folder, `${name}.pem`);
  const write: Stage['write'] = (name, pem) => writeFileSync(file(name), pem);
  write('cert', old.server.cert);
  write('key', old.server.key);
  write('client-ca', old.ca.cert);
  const tls = { cert: file('cert'), key: file('key'), clientCa: file('client-ca') };
  const command = await startCommand(t, {
    args: ['--config', configFile(t, JSON.stringify({ admin: { listen: { port: 0, tls } } }))],
  });
  const { address } = command.log().find(({ msg }) => msg.startsWith('the admin API listens on'))!;
  assert.match(String(address), /^https:/);
  const reloads = () =>
    command.log().filter(({ event, part }) => event?.startsWith('tls.') === true && part === 'admin');
  return {
    old,
    renewed,
    write,
    reload: async () => {
      const before = reloads().length;
      command.kill('SIGHUP');
      await until(() => reloads().length > before, { what: () => `a line about the admin port\n${command.stdout}` });
      return reloads().at(-1)!;
    },
    ask: (caller, agent = new Agent({ keepAlive: false })) =>
      new Promise<Answer>((resolve, reject) => {
        const headers = { authorization: `Bearer ${commandToken}` };
        request(`${address}/backends`, { headers, agent, ...caller }, (response) => {
          const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate();
          response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, serial: serialNumber }));
        })
          .on('error', reject)
          .end();
      }),
  };
}

const serialOf = (pem: string): string => new X509Certificate(pem).serialNumber;

test('after SIGHUP the admin port shows its renewed certificate and asks for the renewed ones of its callers', async (t) => {
  const { old, renewed, write, reload, ask } = await start(t);
  const before: Caller = { ca: old.ca.cert, ...old.client };
  const after: Caller = { ca: renewed.ca.cert, ...renewed.client };
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  assert.deepEqual(await ask(before, agent), { status: 200, serial: serialOf(old.server.cert) });
  await assert.rejects(ask({ ca: old.ca.cert }), 'without a certificate');
  await assert.rejects(ask({ ca: old.ca.cert, ...renewed.client }), 'with one of another authority');

  write('cert', renewed.server.cert);
  write('key', renewed.server.key);
  write('client-ca', renewed.ca.cert);
  assert.equal((await reload()).event, 'tls.reloaded');
  assert.deepEqual(await ask(after), { status: 200, serial: serialOf(renewed.server.cert) });
  await assert.rejects(ask({ ...before, ca: renewed.ca.cert }), 'the old authority is trusted no more');
  assert.deepEqual(
    await ask(before, agent),
    { status: 200, serial: serialOf(old.server.cert) },
    'a connection that is there stays',
  );

  write('cert', old.server.cert);
  const failed = await reload();
  assert.equal(failed.event, 'tls.reload-failed');
  assert.match(String(failed['detail']), /^admin\.listen\.tls\.cert .*do not belong/);
  assert.deepEqual(
    await ask(after),
    { status: 200, serial: serialOf(renewed.server.cert) },
    'bad files change nothing',
  );
});
