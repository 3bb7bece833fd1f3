/** Tokens that are replaced while the gateway runs: the old ones count no more, the new ones at once. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { AdminTokens } from '../../src/index.ts';
import { countComparisons } from '../support/constant-time.ts';
import { build } from '../support/fake-admin-target.ts';

test('replaced tokens count from the next request on; a list that cannot be used changes nothing', async (t) => {
  const tokens = new AdminTokens(['first-token']);
  const { app } = await build(t, { auth: { tokens }, maxFailures: 0 });
  const ask = async (token: string) =>
    (await app.inject({ url: '/backends', headers: { authorization: `Bearer ${token}` } })).statusCode;
  assert.deepEqual([await ask('first-token'), await ask('second-token')], [200, 401]);
  tokens.replace([{ name: 'ada', role: 'read', token: 'second-token' }]);
  assert.deepEqual([await ask('first-token'), await ask('second-token')], [401, 200]);
  assert.deepEqual(tokens.identities, [{ name: 'ada', role: 'read' }]);
  for (const wrong of [[], ['short'], ['third-token', 'third-token']])
    assert.throws(() => tokens.replace(wrong), { name: 'TokensInvalid', message: /^admin\.auth\.tokens/ });
  assert.deepEqual([await ask('third-token'), await ask('second-token')], [401, 200]);
  assert.doesNotMatch(JSON.stringify(tokens), /token/);
});

test('a token of any length is compared by its digest', () => {
  const long = 'x'.repeat(100_000);
  const sha256 = createHash('sha256').update(long).digest('hex');
  const tokens = new AdminTokens([{ name: 'long', role: 'write', sha256 }, 'short-token']);
  assert.deepEqual(tokens.find(long), { name: 'long', role: 'write' });
  assert.deepEqual(tokens.find('short-token'), { name: 'token-2', role: 'write' });
  for (const wrong of ['', 'short-toke', 'short-token ', 'Short-token', `${long}x`, sha256])
    assert.equal(tokens.find(wrong), null);
});

test('a token is compared with all of them in constant time, wherever it stands and whether it is one of them', (t) => {
  const tokens = new AdminTokens(['first-token', 'second-token', 'third-token']);
  const comparisons = countComparisons(t);
  for (const text of ['first-token', 'third-token', 'wrong-token']) {
    const before = comparisons();
    tokens.find(text);
    assert.equal(comparisons() - before, 3, text);
  }
});
