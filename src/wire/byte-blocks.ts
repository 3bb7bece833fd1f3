/**
 * Memory for bytes that are kept for a while: blocks of a few sizes, used again by anybody when nothing refers to them. Without it what is kept
 * would cost memory of its own outside V8's heap each time, and that comes back only when V8 collects garbage.
 */

/** Memory that fills from its beginning. */
export interface Block {
  readonly bytes: Buffer;
  used: number;
  /** Somebody may still refer to parts of it: it is never used again. */
  lent: boolean;
}

/** Small ones for the many pipes that have little under way, large ones for the few that have much. */
const sizes = [1024, 4096, 16_384, 65_536] as const;
/** At most so many bytes wait for use. */
const maxSpareBytes = 32 * 1024 * 1024;
/** What nobody needed for so long is let go: a burst holds no memory for long. */
const periodMs = 1000;

/** By size: blocks that wait for use, and the fewest that did so in this period. */
const spares: readonly { readonly blocks: Block[]; fewest: number }[] = sizes.map(() => ({ blocks: [], fewest: 0 }));
let spareBytes = 0;
let timer: NodeJS.Timeout | null = null;

/** An empty block with room for `bytes`; `expected` = as many will come, as far as is known. */
export function takeBlock(bytes: number, expected: number): Block {
  const wanted = Math.max(bytes, Math.min(expected, sizes[sizes.length - 1]!));
  const index = sizes.findIndex((size) => size >= wanted);
  const spare = spares[index];
  const block = spare?.blocks.pop();
  if (spare === undefined || block === undefined) {
    return { bytes: Buffer.allocUnsafeSlow(sizes[index] ?? bytes), used: 0, lent: false };
  }
  spareBytes -= block.bytes.length;
  if (spare.blocks.length < spare.fewest) spare.fewest = spare.blocks.length;
  return block;
}

/** Nothing in the block is needed any more. */
export function returnBlock(block: Block): void {
  if (block.lent) return;
  const spare = spares[sizes.indexOf(block.bytes.length as (typeof sizes)[number])];
  if (spare === undefined || spareBytes + block.bytes.length > maxSpareBytes) return;
  block.used = 0;
  spareBytes += block.bytes.length;
  spare.blocks.push(block);
  if (timer !== null) return;
  timer = setInterval(letGo, periodMs);
  timer.unref();
}

function letGo(): void {
  spares.forEach((spare, index) => {
    spareBytes -= spare.blocks.splice(0, spare.fewest).length * sizes[index]!;
    spare.fewest = spare.blocks.length;
  });
  if (spareBytes > 0 || timer === null) return;
  clearInterval(timer);
  timer = null;
}
