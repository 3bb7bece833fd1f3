/** The gateway itself is killed: `holdfast` in a process of its own, SIGKILL, and started again on the same port. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBackend } from '../support/backend-process.ts';
import { cleanEnvironment } from '../support/clean-environment.ts';
import { audit, numberedText, readNumbered } from '../support/numbered.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { sleep, until, withTimeout } from '../support/wait.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

async function startCommand(
  t: TestContext,
  env: Record<string, string>,
): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, ['--import', 'tsx', `${root}src/server.ts`], {
    cwd: root,
    env: { ...cleanEnvironment(), HOLDFAST_ADMIN_TOKEN: 'killed-test-token', HOLDFAST_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const address = () => /"address":"http:\/\/127\.0\.0\.1:(\d+)"/.exec(out);
  await until(() => address() !== null, { timeoutMs: 20_000, what: () => `the command to listen\n${out}` });
  return { child, port: Number(address()?.[1]) };
}

test('SIGKILL of the gateway: 0 messages of the client are lost, and what is lost toward it is known', async (t) => {
  const backend = await startBackend(t, { tag: 'a', record: true });
  const env = { HOLDFAST_BACKENDS: backend.url, HOLDFAST_LOG_LEVEL: 'info' };
  const first = await startCommand(t, env);
  const client = new ResumingClient(t, `ws://127.0.0.1:${first.port}/ws`, { timeoutMs: 2000 });
  await client.opened();
  let sent = 0;
  const sending = setInterval(() => {
    for (let i = 0; i < 3; i += 1) {
      sent += 1;
      client.send(numberedText(sent, 500, 'up'));
    }
  }, 4);
  t.after(() => clearInterval(sending));
  await until(() => client.texts.length > 200, { what: '200 answers' });

  // The client comes back by a resume first: what only the welcome covered is not safe yet.
  client.cut();
  await until(() => client.resumes > 0 && client.isOpen, { what: 'a resume' });
  // And the backend stands still, so that the gateway dies with messages nobody else has.
  await backend.freeze();
  await sleep(250);
  const known = client.texts.length;
  const kept = client.unacknowledged;
  assert.ok(kept > 30, `${kept} messages are under way`);
  first.child.kill('SIGKILL');
  await until(() => !client.isOpen, { what: 'the client to notice' });
  await backend.thaw();
  const second = await startCommand(t, { ...env, HOLDFAST_PORT: String(first.port) });
  assert.equal(second.port, first.port);
  await until(() => client.lost.length === 1 && client.isOpen, { timeoutMs: 10_000, what: 'a new session' });
  await sleep(300);
  clearInterval(sending);
  await client.delivered();
  await until(() => client.texts.some((text) => readNumbered(text)?.n === sent), { what: 'the last answer' });

  const numbersOf = (texts: readonly string[]) => texts.flatMap((text) => readNumbered(text)?.n ?? []);
  const up = audit(numbersOf(backend.receivedTexts()), sent);
  assert.deepEqual(up.missing, [], 'messages of the client that reached no backend');
  const [lost] = client.lost;
  assert.ok(lost !== undefined);
  assert.ok(up.duplicated.length <= lost.resent, 'only what was not acknowledged came twice');
  // Toward the client: an answer is missing only if it was made before the gateway died and its question was acknowledged.
  const down = audit(numbersOf(client.texts), sent);
  assert.equal(lost.received, known, 'the client knows how far the old session went');
  assert.ok(down.missing.every((n) => n > known && n <= known + kept));
  t.diagnostic(
    `${sent} sent, ${lost.resent} sent again, 0 lost upstream, ${up.duplicated.length} twice at the backend; ` +
      `${down.missing.length} answers lost; the old session had ${lost.received} down, ${lost.acknowledged} of them acknowledged`,
  );
  const ended = new Promise((resolve) => second.child.once('exit', resolve));
  client.close();
  second.child.kill('SIGTERM');
  await withTimeout(ended, 10_000, 'the command to end');
});
