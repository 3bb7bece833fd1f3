import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideEjection, ejectionMs, maxLeftOut } from '../../src/pool/ejection.ts';

const options = { ejectAfter: 5, ejectBaseMs: 1000, ejectMaxMs: 60_000, maxEjectionPercent: 50 };
const failing = { consecutiveFailures: 5, earlierEjections: 0, enabled: 4, leftOut: 0 };

test('each further ejection takes twice as long, up to ejectMaxMs', () => {
  const times = [0, 1, 2, 3, 4, 5, 6, 7, 5000].map((earlier) => ejectionMs(earlier, options));
  assert.deepEqual(times, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
});

test('the share that may be ejected is rounded down', () => {
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((enabled) => maxLeftOut(enabled, 50)),
    [0, 1, 1, 2, 2],
  );
  assert.equal(maxLeftOut(3, 100), 3);
  assert.equal(maxLeftOut(3, 0), 0);
  assert.equal(maxLeftOut(100, 29), 29);
});

test('ejected at ejectAfter failures, not before, and never when it is 0', () => {
  assert.equal(decideEjection({ ...failing, consecutiveFailures: 4 }, options), 0);
  assert.equal(decideEjection(failing, options), 1000);
  assert.equal(decideEjection({ ...failing, consecutiveFailures: 6, earlierEjections: 2 }, options), 4000);
  assert.equal(decideEjection(failing, { ...options, ejectAfter: 0 }), 0);
});

test('not ejected while the share is used up', () => {
  assert.equal(decideEjection({ ...failing, leftOut: 1 }, options), 1000);
  assert.equal(decideEjection({ ...failing, leftOut: 2 }, options), 0);
  assert.equal(decideEjection({ ...failing, enabled: 1 }, options), 0);
});
