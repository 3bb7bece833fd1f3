/**
 * In place of src/wire/byte-blocks.ts (see poison-blocks.mjs): the same rules, held to. A block that everybody has let go is spoilt in place of being used
 * again: whoever still looks at it, or lets go once more than held, is found.
 */
import type { Block } from '../../src/wire/byte-blocks.ts';

export type { Block };

const sizes = [1024, 4096, 16_384, 65_536, 131_072, 262_144];
const poison = 0xdb;
let spoilt = 0;

export function takeBlock(bytes: number, expected: number): Block {
  const wanted = Math.max(bytes, Math.min(expected, 65_536));
  const size = sizes.find((one) => one >= wanted) ?? bytes;
  return { bytes: Buffer.allocUnsafeSlow(size), used: 0, holders: 1 };
}

export function holdBlock(block: Block): void {
  if (block.holders < 1) broken('a block was held that everybody had let go');
  block.holders += 1;
}

export function letGoBlock(block: Block): void {
  if (block.holders < 1) broken('a block was let go more often than it was held');
  block.holders -= 1;
  if (block.holders > 0) return;
  block.bytes.fill(poison);
  spoilt += 1;
}

/** Whatever catches errors: the process does not end well. */
function broken(what: string): never {
  process.exitCode = 70;
  process.stderr.write(`${new Error(what).stack}\n`);
  process.exit(70);
}

process.on('exit', () => {
  process.stderr.write(`blocks spoilt: ${spoilt}\n`);
});
