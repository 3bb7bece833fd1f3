/** How long a pipe rests that a drain could not move, while backends come and recover. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MigrationOrder } from '../../src/pipe/migration.ts';
import { Moves } from '../../src/pipe/moves.ts';
import type { PersistentPipe } from '../../src/pipe/persistent-pipe.ts';

const order = {} as MigrationOrder;

/** A pipe that is refused wherever it goes, and whose rests are `restMs`. */
function refuse(restMs: number) {
  const clock = { ms: 0 };
  const pool = { comeback: 1 };
  const moves = new Moves({ wheel: { now: () => clock.ms }, pool, backoff: () => restMs });
  const pipe = {
    state: 'open',
    migrating: false,
    migrate: (_: MigrationOrder, done: (outcome: string) => void) => done('failed'),
  } as unknown as PersistentPipe;
  const tried = (): boolean => {
    if (!moves.mayBegin(pipe)) return false;
    moves.begin(pipe, order, assert.fail);
    return true;
  };
  /** How often it is tried within `ms`, looked at every 100 ms; `everyMs` a backend recovers. */
  const triesIn = (ms: number, everyMs = Number.POSITIVE_INFINITY): number => {
    let tries = 0;
    for (const until = clock.ms + ms; clock.ms < until; clock.ms += 100) {
      if (clock.ms % everyMs === 0) pool.comeback += 1;
      if (tried()) tries += 1;
    }
    return tries;
  };
  return { clock, pool, tried, triesIn };
}

test('a backend that comes or recovers ends a rest at once', () => {
  const { clock, pool, tried } = refuse(60_000);
  assert.equal(tried(), true);
  clock.ms += 10;
  assert.equal(tried(), false);
  pool.comeback += 1;
  assert.equal(tried(), true);
});

test('regression: a backend that recovers all the time, because it takes others, cuts the rests of one pipe once a second', () => {
  const { triesIn } = refuse(60_000);
  // The first, and the end of the first rest at once.
  assert.equal(triesIn(10_000, 100), 1 + 10);
});

test('a rest that was waited for is not one that was cut short', () => {
  const { clock, pool, tried, triesIn } = refuse(500);
  assert.equal(triesIn(1000), 2);
  assert.equal(tried(), true);
  clock.ms += 10;
  pool.comeback += 1;
  assert.equal(tried(), true);
});
