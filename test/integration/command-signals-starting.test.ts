/** Signals that ask for something to be read anew, while the command still starts: they do not end it, and are obeyed when it serves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Command, runCommand } from '../support/command.ts';
import { heldConfig } from '../support/held-config.ts';
import type { Owner } from '../support/owner.ts';
import { until } from '../support/wait.ts';
import { patienceMs } from '../support/workers.ts';

const settings = (token: string): string =>
  JSON.stringify({ admin: { tokens: [{ name: 'me', role: 'read', token }] } });

/** The signal comes while it reads its settings, with old-token; from then on its file has new-token. */
async function startSignalled(t: Owner, signal: NodeJS.Signals, ...args: string[]): Promise<Command> {
  const config = heldConfig(t);
  const command = runCommand(t, { args: ['--config', config.file, ...args], env: { HOLDFAST_PORT: '0' } });
  await config.asked(patienceMs);
  command.kill(signal);
  config.give(settings('old-token'), settings('new-token'));
  return command;
}

async function logged(command: Command, text: string): Promise<void> {
  await until(() => command.log().some(({ msg }) => msg.startsWith(text)) || command.exit !== undefined, {
    timeoutMs: patienceMs,
    what: () => `"${text}"\n${command.stdout}`,
  });
  assert.equal(command.exit, undefined, command.stderr);
}

async function assertRenewed(command: Command): Promise<void> {
  const address = command.log().find(({ msg }) => msg.startsWith('listening on'))?.address;
  for (const [token, status] of [
    ['old-token', 401],
    ['new-token', 200],
  ] as const) {
    const answer = await fetch(`${address}/backends`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, status, token);
  }
}

test('a SIGHUP while the command starts does not end it: it reads its tokens anew when it listens', async (t) => {
  const command = await startSignalled(t, 'SIGHUP');
  await logged(command, 'SIGHUP: the admin tokens were read anew');
  await assertRenewed(command);
  command.kill('SIGHUP');
  const reads = () => command.log().filter(({ msg }) => msg.startsWith('SIGHUP: the admin tokens were read anew'));
  await until(() => reads().length === 2, { what: 'another SIGHUP to be obeyed once' });
});

test('a SIGUSR2 while the primary starts does not end it: its workers are replaced when they serve', async (t) => {
  const command = await startSignalled(t, 'SIGUSR2', '--workers', '1');
  await logged(command, 'all workers were replaced');
  await assertRenewed(command);
});

test('a SIGUSR2 while a command without workers starts ends it in good order, as one does that serves', async (t) => {
  const command = await startSignalled(t, 'SIGUSR2');
  await until(() => command.exit !== undefined, { timeoutMs: patienceMs, what: () => `the end\n${command.stdout}` });
  assert.deepEqual([command.exit?.code, command.log().at(-1)?.msg], [0, 'ended']);
});
