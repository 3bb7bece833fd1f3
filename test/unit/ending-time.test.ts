/** Whoever ends a process of the command for taking too long leaves it the time that it allows itself. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endingTimeMs } from '../../src/config.ts';
import { resolveOptions } from '../../src/options.ts';

test('backends that are read out longer than clients may linger have their time', () => {
  const lingering = endingTimeMs(resolveOptions({ closing: { lingerMs: 5000 }, drain: { tailMs: 0, quietMs: 0 } }));
  const readOut = endingTimeMs(resolveOptions({ closing: { lingerMs: 0 }, drain: { tailMs: 5000 } }));
  assert.equal(readOut - lingering, 5000);
});
