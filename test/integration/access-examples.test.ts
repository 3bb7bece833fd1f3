import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Runs an example as a user would. @returns the lines it printed. */
function run(name: string): Promise<string[]> {
  const file = fileURLToPath(new URL(`../../examples/${name}/${name}.ts`, import.meta.url));
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--import', 'tsx', file], { timeout: 60_000, env }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout.trim().split('\n'));
      else reject(new Error(`${name}: ${error.message}\n${stdout}\n${stderr}`));
    });
  });
}

test('auth-cookie: the session lets in, other pages and other people are refused, logging out closes', async () => {
  assert.deepEqual(await run('auth-cookie'), [
    'without a session: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
    'with a wrong password: 401',
    "ann's browser on a page of another site: 403 HOLDFAST_ERR_ORIGIN_NOT_ALLOWED",
    'ann: hello, cookie: none',
    'logged out, connections closed: 1',
    'closed with 4401',
    'with the old cookie: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
  ]);
});

test('auth-jwt: a token by header or a ticket by query lets in; forged, misused and expired ones are refused', async () => {
  assert.deepEqual(await run('auth-jwt'), [
    'without a token: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
    'with a forged one: 401 HOLDFAST_ERR_UNAUTHORIZED',
    'the token in the place of a ticket: 401 HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
    'ann (editor): hello from an app',
    'ann (editor): hello from a page',
    'with a ticket that is over: 401 HOLDFAST_ERR_UNAUTHORIZED',
    'ann (editor): the connection it opened goes on',
  ]);
});
