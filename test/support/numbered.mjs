/**
 * The format of numbered.ts for the child processes, which run without tsx.
 * @param {number} n
 * @param {number} bytes
 * @param {string} prefix
 */
export function numberedText(n, bytes, prefix) {
  const head = `${prefix}#${n}/`;
  for (let digits = 1; ; digits++) {
    const size = Math.max(bytes, head.length + digits + 1);
    if (String(size).length === digits) return `${head}${size} `.padEnd(size, '.');
  }
}

/**
 * @param {number | readonly number[] | undefined} bytes sizes in turn
 * @param {number} n from 1
 */
export function sizeOf(bytes, n) {
  if (Array.isArray(bytes)) return bytes[(n - 1) % bytes.length] ?? 0;
  return typeof bytes === 'number' ? bytes : 0;
}
