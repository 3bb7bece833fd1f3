/**
 * Numbered messages whose loss, doubling, disorder or damage can be seen: `<prefix>#<n>/<bytes> .....`, `bytes` long in all.
 * The backends' `push` and `burst` write the same format.
 */
export interface Numbered {
  readonly prefix: string;
  readonly n: number;
  /** The length that the message said it has. */
  readonly bytes: number;
  /** It has that length and is filled as it should be. False for a message of which a backend's log kept the beginning only. */
  readonly whole: boolean;
}

export interface Audit {
  readonly received: number;
  readonly missing: readonly number[];
  readonly duplicated: readonly number[];
  /** Numbers that came after a higher one for the first time: not a replay, but disorder. */
  readonly outOfOrder: readonly number[];
}

export function numberedText(n: number, bytes = 0, prefix = 'msg'): string {
  const head = `${prefix}#${n}/`;
  for (let digits = 1; ; digits++) {
    const least = head.length + digits + 1;
    const size = Math.max(bytes, least);
    if (String(size).length === digits) return `${head}${size} `.padEnd(size, '.');
  }
}

/** Undefined for anything else. What stands before the prefix (a backend's tag) does not matter. */
export function readNumbered(data: string | Uint8Array | undefined): Numbered | undefined {
  if (data === undefined) return undefined;
  const text = typeof data === 'string' ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
  const match = /([\w-]*)#(\d+)\/(\d+) /.exec(text.slice(0, 300));
  if (!match) return undefined;
  const bytes = Number(match[3]);
  const filler = match.index + match[0].length;
  const whole = text.length - match.index === bytes && /^\.*$/.test(text.slice(filler));
  return { prefix: match[1] ?? '', n: Number(match[2]), bytes, whole };
}

/** Compares the numbers that came, in the order they came, with 1 to `sent`. */
export function audit(numbers: Iterable<number>, sent: number): Audit {
  const seen = new Set<number>();
  const duplicated: number[] = [];
  const outOfOrder: number[] = [];
  let highest = 0;
  let received = 0;
  for (const n of numbers) {
    received += 1;
    if (seen.has(n)) {
      duplicated.push(n);
    } else if (n < highest) {
      outOfOrder.push(n);
    }
    seen.add(n);
    highest = Math.max(highest, n);
  }
  const missing: number[] = [];
  for (let n = 1; n <= sent; n++) if (!seen.has(n)) missing.push(n);
  return { received, missing, duplicated, outOfOrder };
}
