import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DialError } from '../../src/link/dial.ts';
import { resolveOptions } from '../../src/options.ts';
import { meansFailover, PoisonCount, refusalStatus } from '../../src/pipe/failover-policy.ts';

const { codes } = resolveOptions({}).failover;

test('which Close of a backend means the next backend, and which the client', () => {
  for (const code of [1001, 1006, 1011, 1012, 1013, 1014])
    assert.equal(meansFailover(code, codes, false), true, `${code}`);
  for (const code of [1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 3000, 4000, 4999]) {
    assert.equal(meansFailover(code, codes, false), false, `${code}`);
  }
});

test('a draining backend that ends normally, or without a code, wants its clients elsewhere', () => {
  for (const code of [1000, 1005]) assert.equal(meansFailover(code, codes, true), true);
  for (const code of [1008, 4000]) assert.equal(meansFailover(code, codes, true), false);
});

test('a code that may not be sent means a broken backend', () => {
  for (const code of [0, 999, 1004, 1015, 1016, 2999, 5000])
    assert.equal(meansFailover(code, codes, false), true, `${code}`);
});

test('the codes can be chosen', () => {
  assert.equal(meansFailover(4000, [4000], false), true);
  assert.equal(meansFailover(1001, [4000], false), false);
});

test('a 4xx answers the client itself, all else means the next backend', () => {
  const status = (statusCode: number): DialError => ({ failure: 'status', detail: '', statusCode });
  for (const code of [400, 401, 403, 404, 410, 426, 499]) assert.equal(refusalStatus(status(code)), code);
  for (const code of [200, 302, 408, 429, 500, 502, 503]) assert.equal(refusalStatus(status(code)), null, `${code}`);
  assert.equal(refusalStatus({ failure: 'refused', detail: '' }), null);
  assert.equal(refusalStatus({ failure: 'bad-handshake', detail: '', statusCode: 404 }), null);
});

test('poison: links in a row that failed with the same oldest message', () => {
  const poison = new PoisonCount();
  assert.deepEqual([poison.failed(5), poison.failed(5), poison.failed(5)], [1, 2, 3]);
  assert.deepEqual([poison.failed(7), poison.failed(5)], [1, 1]);
});

test('poison: a link that was given nothing proves nothing', () => {
  const poison = new PoisonCount();
  poison.failed(0);
  assert.equal(poison.failed(null), 0);
  assert.equal(poison.failed(0), 2);
});
