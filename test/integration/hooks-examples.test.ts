import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runExample } from '../support/example.ts';

test('login-again: the next backend knows who the client is', async () => {
  const lines = await runExample('hooks/login-again.ts');
  assert.ok(lines.includes('still ann, now at the second backend'), lines.join('\n'));
  assert.equal(lines.filter((line) => line.includes('"hello"')).length, 1, 'one answer to one login');
});

test('subscribe-again: the events go on, and the client sees no second answer', async () => {
  const lines = await runExample('hooks/subscribe-again.ts');
  assert.equal(lines.filter((line) => line.startsWith('client <') && line.includes('"subscribed"')).length, 1);
  assert.equal(lines.filter((line) => line.includes('"from":"second"')).length, 4);
});

test('resume-by-ticket: the session goes on at the next backend, and nothing counts twice', async () => {
  const lines = await runExample('hooks/resume-by-ticket.ts');
  assert.ok(lines.includes('the cart has 3 items, each of them once'), lines.join('\n'));
  assert.ok(lines.some((line) => /^second backend: number 3 again, not counted/.test(line)));
});
