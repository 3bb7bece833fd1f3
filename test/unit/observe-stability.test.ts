import assert from 'node:assert/strict';
import test from 'node:test';
import { judgeStability, type StabilityInput } from '../../src/observe/stability.ts';

const quiet = { sent: 0, missed: 0, failures: 0 };
const minutes14 = 14 * 60_000;

function judge(
  recent: Partial<StabilityInput['recent']>,
  before: Partial<StabilityInput['before']> = {},
  livePipes = 10,
): boolean {
  return judgeStability({
    recent: { ...quiet, ...recent },
    before: { ...quiet, ms: minutes14, ...before },
    livePipes,
  }).unstable;
}

test('nothing at all is stable', () => {
  assert.deepEqual(judgeStability({ recent: quiet, before: { ...quiet, ms: 0 }, livePipes: 0 }), {
    unstable: false,
    reason: null,
  });
});

test('a few missed heartbeats or failures are nothing, however quiet it was before', () => {
  assert.equal(judge({ sent: 100, missed: 4 }), false);
  assert.equal(judge({ sent: 100, missed: 5 }), true);
  assert.equal(judge({ failures: 2 }), false);
  assert.equal(judge({ failures: 3 }), true);
});

test('on a big gateway the least grows with it', () => {
  assert.equal(judge({ sent: 24_000, missed: 100 }), false);
  assert.equal(judge({ sent: 24_000, missed: 121 }), true);
  assert.equal(judge({ failures: 30 }, {}, 10_000), false);
  assert.equal(judge({ failures: 51 }, {}, 10_000), true);
});

test('what is usual is stable, three times as much is not', () => {
  assert.equal(judge({ sent: 1000, missed: 30 }, { sent: 14_000, missed: 140 }), false);
  assert.equal(judge({ sent: 1000, missed: 31 }, { sent: 14_000, missed: 140 }), true);
  assert.equal(judge({ failures: 12 }, { failures: 14 * 4 }), false);
  assert.equal(judge({ failures: 13 }, { failures: 14 * 4 }), true);
});

test('a young gateway is compared with the time there was, and with nothing at first', () => {
  assert.equal(judge({ sent: 100, missed: 20 }, { sent: 50, missed: 10, ms: 30_000 }), false);
  assert.equal(judge({ sent: 100, missed: 20 }, { sent: 50, missed: 1, ms: 30_000 }), true);
  assert.equal(judge({ sent: 100, missed: 20 }, { sent: 10, missed: 9, ms: 5000 }), true);
});

test('the reason names what is above and by how much', () => {
  const verdict = judgeStability({
    recent: { sent: 1000, missed: 62, failures: 9 },
    before: { sent: 14_000, missed: 42, failures: 7, ms: minutes14 },
    livePipes: 100,
  });
  assert.equal(
    verdict.reason,
    '62 missed heartbeats in the last minute, 3 a minute before; 9 failures of backend links in the last minute, 0.5 a minute before',
  );
});
