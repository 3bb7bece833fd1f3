import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckRecord } from '../../src/pool/check-record.ts';

/** Adds one check for each letter (p = passed, f = failed), a second apart; answers what each changed, '-' = nothing. */
function verdicts(record: CheckRecord, checks: string): string {
  const told = [...checks].map((letter, index) => {
    const change = record.add({ passed: letter === 'p', detail: letter, checkMs: 1, at: index }, index * 1000);
    return change === null ? '-' : change.health === 'healthy' ? 'H' : 'U';
  });
  return told.join('');
}

test('fall failures in a row make a backend unhealthy, rise successes in a row healthy again', () => {
  const record = new CheckRecord({ rise: 2, fall: 3 });
  assert.equal(record.health, 'unknown');
  assert.equal(verdicts(record, 'p'), '-');
  assert.equal(record.health, 'healthy');
  assert.equal(verdicts(record, 'ffpffpfff'), '--------U', 'a success in between begins the count anew');
  assert.equal(record.health, 'unhealthy');
  assert.equal(verdicts(record, 'ffpfpp'), '-----H', 'so does a failure on the way back');
  assert.equal(record.health, 'healthy');
  assert.equal(verdicts(record, 'ffpff'), '-----', 'what was counted before is forgotten');
});

test('of a backend that was never well nothing is known until fall checks have failed', () => {
  const record = new CheckRecord({ rise: 1, fall: 2 });
  assert.equal(verdicts(record, 'f'), '-');
  assert.equal(record.health, 'unknown');
  assert.equal(verdicts(record, 'fp'), 'UH');
});

test('with rise and fall of 1 each check decides', () => {
  const record = new CheckRecord({ rise: 1, fall: 1 });
  assert.equal(verdicts(record, 'pffpfp'), '-U-HUH');
});

test('a change says how many checks failed, or how long it was unhealthy; the last check is kept', () => {
  const record = new CheckRecord({ rise: 1, fall: 2 });
  const check = (passed: boolean) => ({ passed, detail: 'd', checkMs: 4, at: 1_700_000_000_000 });
  record.add(check(false), 1000);
  assert.deepEqual(record.add(check(false), 2000), { health: 'unhealthy', failedChecks: 2 });
  assert.equal(record.add(check(false), 3000), null);
  assert.deepEqual(record.add(check(true), 7000), { health: 'healthy', downMs: 5000 });
  assert.deepEqual(record.last, check(true));
});

test('after a reset it is as if it had never been checked', () => {
  const record = new CheckRecord({ rise: 3, fall: 2 });
  assert.equal(verdicts(record, 'fff'), '-U-');
  record.reset();
  assert.deepEqual([record.health, record.last], ['unknown', null]);
  assert.equal(verdicts(record, 'f'), '-');
  record.reset();
  assert.equal(verdicts(record, 'f'), '-', 'the failure before does not count');
});
