import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { type Block, holdBlock, letGoBlock, takeBlock } from '../../src/wire/byte-blocks.ts';

mock.timers.enable({ apis: ['setInterval'] });

test('a block is taken again, empty, when all who held it have let go', () => {
  const block = takeBlock(5000, 0);
  block.used = 5000;
  holdBlock(block);
  holdBlock(block);
  letGoBlock(block);
  letGoBlock(block);
  assert.notEqual(takeBlock(5000, 0), block);
  letGoBlock(block);
  assert.equal(takeBlock(5000, 0), block);
  assert.equal(block.used, 0);
});

test('to let go of what nobody holds is an error, not memory that two use', () => {
  const block = takeBlock(5000, 0);
  letGoBlock(block);
  assert.throws(() => letGoBlock(block));
  assert.equal(takeBlock(5000, 0), block);
  assert.notEqual(takeBlock(5000, 0), block);
});

test('a block has room for what is asked, and little more for a pipe that has little', () => {
  for (const bytes of [1, 1024, 1025, 20_000, 65_536, 65_537, 131_073, 262_144, 3_000_000]) {
    const { length } = takeBlock(bytes, 0).bytes;
    assert.ok(length >= bytes && length <= Math.max(1024, 4 * bytes), `${length} for ${bytes}`);
  }
  assert.equal(takeBlock(10, 30_000).bytes.length, 65_536, 'more is expected');
  assert.equal(takeBlock(10, 5_000_000).bytes.length, 65_536);
});

const size = 65_536;

function takeAll(count: number): Set<Block> {
  return new Set(Array.from({ length: count }, () => takeBlock(size, 0)));
}

test('spare memory is bounded: 32 MiB in all', () => {
  const bound = (32 * 1024 * 1024) / size;
  const blocks = takeAll(bound + 10);
  for (const block of blocks) letGoBlock(block);
  const again = takeAll(bound + 10);
  assert.equal([...again].filter((block) => blocks.has(block)).length, bound);
});

test('what was not needed for a second is let go, what was needed stays', () => {
  const blocks = takeAll(20);
  for (const block of blocks) letGoBlock(block);
  mock.timers.tick(1000);
  // Of the period in which they came nothing is known.
  const used = takeAll(5);
  for (const block of used) letGoBlock(block);
  mock.timers.tick(1000);
  assert.equal([...takeAll(20)].filter((block) => blocks.has(block)).length, 5);
});
