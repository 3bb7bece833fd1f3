/**
 * Memory for bytes that are kept for a while: blocks of a few sizes, used again by anybody when nobody needs them. Without it what is kept
 * would cost memory of its own outside V8's heap each time, and that comes back only when V8 collects garbage.
 *
 * Who may do what with a block:
 * 1. Who took it fills it, from its beginning, and nobody else writes into it; what is filled is never changed.
 * 2. Whoever looks at its bytes later than in the call that brought them holds it: the reader until its message is handed on, the socket
 *    that reads into it until it reads elsewhere, the journal until what lies there is acknowledged, the link until its socket has taken it.
 * 3. Who holds it lets go once, and looks at it no more. When the last has let go, its memory is anybody's.
 * Never to let go is safe: such memory comes back when V8 collects it.
 */

/** Memory that fills from its beginning. */
export interface Block {
  readonly bytes: Buffer;
  used: number;
  /** How many need it. */
  holders: number;
}

/** Small ones for the many pipes that have little under way, large ones for the few that have much. */
const sizes = [1024, 4096, 16_384, 65_536, 131_072, 262_144] as const;
/** Of what is only expected, no more than this. */
const maxExpectedBytes = 65_536;
/** At most so many bytes wait for use. */
const maxSpareBytes = 32 * 1024 * 1024;
/** What nobody needed for so long is let go: a burst holds no memory for long. */
const periodMs = 1000;

/** By size: blocks that wait for use, and the fewest that did so in this period. */
const spares: readonly { readonly blocks: Block[]; fewest: number }[] = sizes.map(() => ({ blocks: [], fewest: 0 }));
let spareBytes = 0;
let timer: NodeJS.Timeout | null = null;

/** An empty block with room for `bytes`, held by the caller; `expected` = as many will come, as far as is known. */
export function takeBlock(bytes: number, expected: number): Block {
  const wanted = Math.max(bytes, Math.min(expected, maxExpectedBytes));
  const index = sizes.findIndex((size) => size >= wanted);
  const spare = spares[index];
  const block = spare?.blocks.pop();
  if (spare === undefined || block === undefined) {
    return { bytes: Buffer.allocUnsafeSlow(sizes[index] ?? bytes), used: 0, holders: 1 };
  }
  spareBytes -= block.bytes.length;
  if (spare.blocks.length < spare.fewest) spare.fewest = spare.blocks.length;
  block.holders = 1;
  return block;
}

/** One more needs it. */
export function holdBlock(block: Block): void {
  block.holders += 1;
}

/** One who held it needs it no more. */
export function letGoBlock(block: Block): void {
  block.holders -= 1;
  if (block.holders > 0) return;
  if (block.holders < 0) throw new Error('a block was let go more often than it was held');
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
