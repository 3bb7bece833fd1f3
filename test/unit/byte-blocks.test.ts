import assert from 'node:assert/strict';
import { test } from 'node:test';
import { returnBlock, takeBlock } from '../../src/wire/byte-blocks.ts';

test('a block that came back is taken again, empty; one that is lent is not', () => {
  const block = takeBlock(5000, 0);
  block.used = 5000;
  returnBlock(block);
  assert.equal(takeBlock(5000, 0), block);
  assert.equal(block.used, 0);
  block.lent = true;
  returnBlock(block);
  assert.notEqual(takeBlock(5000, 0), block);
});

test('a block has room for what is asked, and little more for a pipe that has little', () => {
  for (const bytes of [1, 1024, 1025, 20_000, 65_536, 65_537, 3_000_000]) {
    const { length } = takeBlock(bytes, 0).bytes;
    assert.ok(length >= bytes && length <= Math.max(1024, 4 * bytes), `${length} for ${bytes}`);
  }
  assert.equal(takeBlock(10, 30_000).bytes.length, 65_536, 'more is expected');
  assert.equal(takeBlock(10, 5_000_000).bytes.length, 65_536);
});

test('spare memory is bounded: 4 MiB of each size', () => {
  const size = 65_536;
  const blocks = Array.from({ length: 200 }, () => takeBlock(size, 0));
  for (const block of blocks) returnBlock(block);
  const again = Array.from({ length: 200 }, () => takeBlock(size, 0));
  assert.equal(again.filter((block) => blocks.includes(block)).length, (4 * 1024 * 1024) / size);
});
