import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Runs an example as a user would. @returns the lines it printed. */
function run(name: string): Promise<string[]> {
  const file = fileURLToPath(new URL(`../../examples/hooks/${name}.ts`, import.meta.url));
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', file], { timeout: 60_000, env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim().split('\n'));
      else reject(new Error(`${name}: ${error.message}\n${stdout}\n${stderr}`));
    });
  });
}

test('login-again: the next backend knows who the client is', async () => {
  const lines = await run('login-again');
  assert.ok(lines.includes('still ann, now at the second backend'), lines.join('\n'));
  assert.equal(lines.filter((line) => line.includes('"hello"')).length, 1, 'one answer to one login');
});

test('subscribe-again: the events go on, and the client sees no second answer', async () => {
  const lines = await run('subscribe-again');
  assert.equal(lines.filter((line) => line.startsWith('client <') && line.includes('"subscribed"')).length, 1);
  assert.equal(lines.filter((line) => line.includes('"from":"second"')).length, 4);
});

test('resume-by-ticket: the session goes on at the next backend, and nothing counts twice', async () => {
  const lines = await run('resume-by-ticket');
  assert.ok(lines.includes('the cart has 3 items, each of them once'), lines.join('\n'));
  assert.ok(lines.some((line) => /^second backend: number 3 again, not counted/.test(line)));
});
