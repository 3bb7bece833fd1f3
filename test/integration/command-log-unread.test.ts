/** Whoever reads the log may stand still: a collector that hangs, a terminal after Ctrl-S. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { type RunningCommand, startCommand } from '../support/command.ts';
import { until } from '../support/wait.ts';
import { isAlive } from '../support/workers.ts';

/** Some 1.5 KB of log each: more than a pipe holds. */
const visits = 400;
const atOnce = 20;

async function comeAndGo({ ws }: RunningCommand): Promise<void> {
  for (let i = 0; i < visits; i += atOnce) {
    const clients = await Promise.all(Array.from({ length: atOnce }, () => connect(null, ws)));
    for (const client of clients) client.close(1000);
    await Promise.all(clients.map((client) => client.waitClosed()));
  }
}

test('a log that nobody reads holds nobody up; read again, it is whole', async (t) => {
  const backend = await startBackend(t);
  const command = await startCommand(t, { env: { HOLDFAST_BACKENDS: backend.url } });
  const stays = await connect(t, command.ws);
  command.readLog(false);
  await comeAndGo(command);
  await stays.ask('still there?');
  assert.equal((await command.admin('GET', '/stats')).status, 200);

  command.readLog(true);
  command.kill('SIGTERM');
  assert.equal(await command.ended(), 0);
  assert.equal(command.log().filter(({ event }) => event === 'pipe.opened').length, visits + 1);
  assert.equal(command.log().at(-1)?.msg, 'ended');
});

test('the command ends although nobody reads its log', async (t) => {
  const backend = await startBackend(t);
  const command = await startCommand(t, { env: { HOLDFAST_BACKENDS: backend.url } });
  command.readLog(false);
  await comeAndGo(command);
  command.kill('SIGTERM');
  await until(() => !isAlive(command.pid), { timeoutMs: 15_000 });
  command.readLog(true);
});
