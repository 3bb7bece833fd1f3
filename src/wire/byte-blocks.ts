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
/** At most so many bytes of each size wait for use. */
const spareBytes = 4 * 1024 * 1024;

/** By size. Weak: a full collection of garbage takes them all, so that a burst holds no memory for long. */
let spares = new WeakRef<Block[][]>([]);

function sparesOf(index: number): Block[] {
  let all = spares.deref();
  if (all === undefined || all.length === 0) {
    all = sizes.map(() => []);
    spares = new WeakRef(all);
  }
  return all[index] ?? [];
}

/** An empty block with room for `bytes`; `expected` = as many will come, as far as is known. */
export function takeBlock(bytes: number, expected: number): Block {
  const wanted = Math.max(bytes, Math.min(expected, sizes[sizes.length - 1]!));
  const index = sizes.findIndex((size) => size >= wanted);
  const spare = sparesOf(index).pop();
  if (spare !== undefined) return spare;
  return { bytes: Buffer.allocUnsafeSlow(sizes[index] ?? bytes), used: 0, lent: false };
}

/** Nothing in the block is needed any more. */
export function returnBlock(block: Block): void {
  if (block.lent) return;
  const index = sizes.indexOf(block.bytes.length as (typeof sizes)[number]);
  const spare = sparesOf(index);
  if (index < 0 || (spare.length + 1) * block.bytes.length > spareBytes) return;
  block.used = 0;
  spare.push(block);
}
