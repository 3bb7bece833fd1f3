/** What `<holdfast-status>` says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SocketState } from '../../src/client/index.ts';
import { describe } from '../../src/client/status/describe.ts';
import { english } from '../../src/client/status/texts.ts';

const now = 1_700_000_000_000;
const of = (changes: Partial<SocketState>) =>
  describe(
    { state: 'open', attempt: 0, maxAttempts: 10, nextTryAt: null, reason: '', code: 0, own: false, ...changes },
    english,
    now,
  );

test('each state in words', () => {
  const cases: [Partial<SocketState>, string][] = [
    [{ state: 'connecting', attempt: 1 }, 'Connecting …'],
    [
      { state: 'connecting', attempt: 2, nextTryAt: now + 900 },
      'Cannot connect. Trying again in 1\u00a0s (attempt 2 of 10)',
    ],
    [{}, 'Connected'],
    [
      { state: 'reconnecting', attempt: 3, nextTryAt: now + 3_200 },
      'Connection lost. Trying again in 4\u00a0s (attempt 3 of 10)',
    ],
    [
      { state: 'reconnecting', attempt: 30, nextTryAt: now, maxAttempts: Number.POSITIVE_INFINITY },
      'Connection lost. Trying again in 1\u00a0s (attempt 30)',
    ],
    [{ state: 'reconnecting', attempt: 3 }, 'Connection lost. Trying again now (attempt 3 of 10) …'],
    [{ state: 'reconnecting', nextTryAt: now + 1, reason: 'offline' }, 'You are offline. Waiting for the network …'],
    [
      { state: 'reconnecting', nextTryAt: now + 7_000, reason: 'goaway' },
      'The server is restarting. Trying again in 7\u00a0s',
    ],
    [{ state: 'failed', attempt: 10 }, 'Could not connect after 10 attempts. Please check your network and try again.'],
    [{ state: 'closed', code: 1000 }, 'Disconnected'],
    [{ state: 'closed', code: 1008 }, 'The server has ended the connection.'],
    [{ state: 'closed', code: 4000, reason: 'logout', own: true }, 'Disconnected'],
    [{ state: 'closed', code: 4000, reason: 'logout' }, 'The server has ended the connection.'],
    [{ state: 'closed', code: 4409 }, 'You are connected from another window or device. This one is disconnected.'],
  ];
  for (const [state, text] of cases) assert.equal(of(state).text, text);
});

test('the button is there while there is no connection, and busy while an attempt is made', () => {
  assert.equal(of({}).button, null);
  assert.equal(of({ state: 'interrupted' }).button, null);
  assert.equal(of({ state: 'connecting', attempt: 1 }).button, null);
  assert.equal(of({ state: 'connecting', attempt: 2 }).button, 'busy');
  assert.equal(of({ state: 'reconnecting' }).button, 'busy');
  assert.equal(of({ state: 'reconnecting', nextTryAt: now + 1 }).button, 'ready');
  assert.equal(of({ state: 'failed' }).button, 'ready');
  assert.equal(of({ state: 'closed' }).button, 'ready');
});

test('a countdown and a row of attempts are one topic, said once', () => {
  const topics = [
    of({ state: 'reconnecting', attempt: 1, nextTryAt: now + 5_000 }),
    of({ state: 'reconnecting', attempt: 1 }),
    of({ state: 'reconnecting', attempt: 2, nextTryAt: now + 5_000 }),
  ].map(({ topic }) => topic);
  assert.equal(new Set(topics).size, 1);
  assert.notEqual(of({ state: 'failed' }).topic, topics[0]);
});
