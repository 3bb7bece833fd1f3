/** SIGUSR2: one worker after the other is replaced, with the settings as they are now, and no session is lost. */
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { temporaryFolder } from '../support/command.ts';
import { audit, numberedText, readNumbered } from '../support/numbered.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { until } from '../support/wait.ts';
import { cluster, patienceMs, startWorkers } from '../support/workers.ts';

test('all workers are replaced while clients go on: nothing is lost or twice; settings that cannot be used replace nobody', async (t) => {
  const backend = await startBackend(t, { tag: 'a', record: true });
  const tokenFile = join(temporaryFolder(t), 'token');
  writeFileSync(tokenFile, 'first-token');
  const settings = {
    backends: [backend.url],
    drain: { quietMs: 50, tailMs: 500 },
    shutdown: { spreadMs: 200 },
    cluster,
  };
  const workers = await startWorkers(t, { settings, env: { HOLDFAST_ADMIN_READ_TOKEN_FILE: tokenFile } });
  const clients = Array.from({ length: 4 }, () => new ResumingClient(t, workers.ws, { timeoutMs: patienceMs }));
  await Promise.all(clients.map((client) => client.opened()));
  let sent = 0;
  const sending = setInterval(() => {
    sent += 1;
    for (const [at, client] of clients.entries()) client.send(numberedText(sent, 200, `c${at}`));
  }, 10);
  t.after(() => clearInterval(sending));
  const before = [workers.pidOf(1), workers.pidOf(2)];

  writeFileSync(tokenFile, 'second-token');
  workers.kill('SIGUSR2');
  const said = (text: string) => workers.log().some(({ msg }) => msg.startsWith(text));
  await until(() => said('all workers were replaced'), { timeoutMs: patienceMs, what: () => workers.stdout });
  assert.notEqual(workers.pidOf(1), before[0]);
  assert.notEqual(workers.pidOf(2), before[1]);
  const status = async (token: string) => {
    const headers = { authorization: `Bearer ${token}`, connection: 'close' };
    return (await fetch(`${workers.http}/gateways`, { headers })).status;
  };
  assert.deepEqual([await status('second-token'), await status('second-token')], [200, 200]);
  assert.equal(await status('first-token'), 401);

  const after = [workers.pidOf(1), workers.pidOf(2)];
  rmSync(tokenFile);
  workers.kill('SIGUSR2');
  await until(() => said('SIGUSR2: the workers stay as they are'), { timeoutMs: patienceMs });
  writeFileSync(tokenFile, 'third-token');
  // Only a worker that starts finds out that this route is taken.
  writeFileSync(workers.file, JSON.stringify({ ...settings, path: '/backends' }));
  workers.kill('SIGUSR2');
  await until(() => said('the workers stay as they are'), { timeoutMs: patienceMs, what: () => workers.stdout });
  assert.deepEqual([workers.pidOf(1), workers.pidOf(2)], after);
  assert.equal(await status('third-token'), 200);

  // Whoever has to be started anew has the settings from before.
  process.kill(after[1]!, 'SIGTERM');
  await workers.replaced(2, after[1]!);

  await until(() => clients.every(({ resumes, isOpen }) => resumes > 0 && isOpen), {
    timeoutMs: patienceMs,
    what: () =>
      `all to come back\n${JSON.stringify(clients.map(({ resumes, lost, codes }) => [resumes, lost, codes]))}\n${workers.stdout}`,
  });
  clearInterval(sending);
  await Promise.all(clients.map((client) => client.delivered()));
  const clean = { received: sent, missing: [], duplicated: [], outOfOrder: [] };
  const received = backend.receivedTexts().map(readNumbered);
  for (const [at, client] of clients.entries()) {
    await until(() => client.texts.some((text) => readNumbered(text)?.n === sent), {
      timeoutMs: patienceMs,
      what: 'the last answer',
    });
    const up = received.flatMap((one) => (one?.prefix === `c${at}` ? one.n : []));
    assert.deepEqual(audit(up, sent), clean, `up ${at}`);
    assert.deepEqual(
      audit(
        client.texts.flatMap((text) => readNumbered(text)?.n ?? []),
        sent,
      ),
      clean,
      `down ${at}`,
    );
    assert.deepEqual(client.lost, []);
  }
});
