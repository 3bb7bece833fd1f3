import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { defaultHeartbeat, HeartbeatPatch, mergeHeartbeat } from '../../src/heartbeat/settings.ts';

test('the default is a ping every 25 s, given up after 75', () => {
  assert.deepEqual(defaultHeartbeat.client, { intervalMs: 25_000, timeoutMs: 75_000, timeoutSet: false, json: 'auto' });
  assert.equal(defaultHeartbeat.backend.json, 'off');
});

test('an unset timeout follows the interval, a set one stays until null', () => {
  const first = mergeHeartbeat(defaultHeartbeat, { client: { intervalMs: 1_000 } });
  assert.equal(first.client.timeoutMs, 3_000);
  assert.deepEqual(first.backend, defaultHeartbeat.backend);
  const second = mergeHeartbeat(first, { client: { timeoutMs: 5_000 } });
  assert.equal(mergeHeartbeat(second, { client: { intervalMs: 2_000 } }).client.timeoutMs, 5_000);
  const third = mergeHeartbeat(second, { client: { timeoutMs: null } });
  assert.deepEqual(third.client, first.client);
});

test('neither the values before nor the patch are changed, and the answer is frozen', () => {
  const patch = Object.freeze({ backend: Object.freeze({ intervalMs: 500 }) });
  const merged = mergeHeartbeat(defaultHeartbeat, patch);
  assert.equal(defaultHeartbeat.backend.intervalMs, 25_000);
  assert.ok(Object.isFrozen(merged) && Object.isFrozen(merged.backend) && Object.isFrozen(merged.client));
});

test('a timeout below the interval is refused, naming both keys, whichever of them came later', () => {
  const set = mergeHeartbeat(defaultHeartbeat, { backend: { timeoutMs: 30_000 } });
  for (const contradiction of [
    () => mergeHeartbeat(defaultHeartbeat, { backend: { intervalMs: 2_000, timeoutMs: 1_999 } }),
    () => mergeHeartbeat(defaultHeartbeat, { backend: { timeoutMs: 24_999 } }),
    () => mergeHeartbeat(set, { backend: { intervalMs: 30_001 } }),
  ]) {
    assert.throws(contradiction, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'HOLDFAST_ERR_HEARTBEAT');
      assert.match(error.message, /heartbeat\.backend\.intervalMs/);
      assert.match(error.message, /heartbeat\.backend\.timeoutMs/);
      return true;
    });
  }
  assert.equal(
    mergeHeartbeat(defaultHeartbeat, { backend: { intervalMs: 500, timeoutMs: 500 } }).backend.timeoutMs,
    500,
  );
});

test('interval 0 is off, contradicts no timeout, and the way back keeps what was set', () => {
  const off = mergeHeartbeat(defaultHeartbeat, { client: { intervalMs: 0, timeoutMs: 4_000 } });
  assert.equal(off.client.intervalMs, 0);
  const on = mergeHeartbeat(off, { client: { intervalMs: 1_000 } });
  assert.equal(on.client.timeoutMs, 4_000);
  const unset = mergeHeartbeat(defaultHeartbeat, { client: { intervalMs: 0 } });
  assert.equal(mergeHeartbeat(unset, { client: { intervalMs: 1_000 } }).client.timeoutMs, 3_000);
});

test('the schema takes what can be set and nothing else', () => {
  for (const good of [
    { client: { intervalMs: 0 } },
    { client: { intervalMs: 100, timeoutMs: null, json: 'on' } },
    { backend: { intervalMs: 3_600_000, timeoutMs: 10_800_000 } },
  ]) {
    assert.equal(Value.Check(HeartbeatPatch, good), true, JSON.stringify(good));
  }
  for (const bad of [
    {},
    { client: {} },
    { client: { intervalMs: 1 } },
    { client: { intervalMs: '1000' } },
    { client: { intervalMs: 3_600_001 } },
    { client: { intervalMs: null } },
    { client: { timeoutMs: 99 } },
    { client: { json: 'maybe' } },
    { backend: { json: 'on' } },
    { server: { intervalMs: 1_000 } },
    { client: { interval: 1_000 } },
  ]) {
    assert.equal(Value.Check(HeartbeatPatch, bad), false, JSON.stringify(bad));
  }
});
