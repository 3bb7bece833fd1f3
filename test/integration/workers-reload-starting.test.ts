/** SIGHUP while a worker starts: what was renewed meanwhile holds for it as well. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { certificates, makeCertificates } from '../support/certificates.ts';
import { temporaryFolder } from '../support/command.ts';
import { until } from '../support/wait.ts';
import { holdBack, inWorkers, patienceMs, startWorkers } from '../support/workers.ts';

/** It has read everything, and listens when it has heard of the SIGHUP. */
const untilReload = "process.on('message', (m) => m?.body?.kind === 'reload' && go());";

test('a token that was taken back while a worker starts counts at none of them, and that worker shows the renewed certificate', async (t) => {
  const [old, renewed] = await Promise.all([certificates(), makeCertificates('Renewed CA')]);
  const folder = temporaryFolder(t);
  const file = (name: string): string => join(folder, name);
  const write = ({ cert, key }: { cert: string; key: string }, token: string): void => {
    writeFileSync(file('cert'), cert);
    writeFileSync(file('key'), key);
    writeFileSync(file('token'), token);
  };
  write(old.server, 'first-token');
  const workers = await startWorkers(t, {
    node: inWorkers(t, holdBack(file('hold'), untilReload)),
    settings: { tls: { cert: file('cert'), key: file('key') } },
    env: { HOLDFAST_ADMIN_READ_TOKEN_FILE: file('token') },
    ca: old.ca.cert,
  });
  writeFileSync(file('hold'), '');
  process.kill(workers.pidOf(1), 'SIGKILL');
  await until(() => workers.stderr.includes('held back'), { timeoutMs: patienceMs, what: () => workers.stdout });
  write(renewed.server, 'second-token');
  workers.kill('SIGHUP');

  const ask = (token: string) =>
    new Promise<{ status: number; serial: string; by: string | undefined }>((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}` };
      const options = { headers, agent: false, rejectUnauthorized: false };
      request(`${workers.http}/gateways`, options, (response) => {
        const { serialNumber: serial } = (response.socket as TLSSocket).getPeerCertificate();
        let text = '';
        response.on('data', (more) => {
          text += String(more);
        });
        response.on('end', () => {
          const { gateways = [] } = JSON.parse(text) as { gateways?: { name: string; self: boolean }[] };
          resolve({ status: response.statusCode ?? 0, serial, by: gateways.find(({ self }) => self)?.name });
        });
      })
        .on('error', reject)
        .end();
    });
  // They take turns.
  const answers = async (token: string) => [await ask(token), await ask(token), await ask(token), await ask(token)];
  const served = async () => (await answers('second-token')).some(({ by }) => by === 'gateway-1');
  await until(async () => (await served()) || (await answers('first-token')).some(({ by }) => by === 'gateway-1'), {
    timeoutMs: patienceMs,
    what: () => `worker 1 to serve\n${workers.stdout}`,
  });
  const { serialNumber } = new X509Certificate(renewed.server.cert);
  for (const [token, status] of [
    ['first-token', 401],
    ['second-token', 200],
  ] as const) {
    const got = (await answers(token)).map(({ status, serial }) => ({ status, serial }));
    assert.deepEqual(got, Array(4).fill({ status, serial: serialNumber }), token);
  }
});
