/** How late a timer may be before that is a stall of ours, milliseconds. */
const stallMs = 50;

/**
 * The end of a wait for another process: calls `expired` after so long. Where this process stood still meanwhile, it could not read what
 * had come: then as much later as it was late, once. Gives a function that ends it.
 */
export function startDeadline(ms: number, expired: () => void): () => void {
  const due = performance.now() + ms;
  let timer = setTimeout(() => {
    const lateMs = performance.now() - due;
    if (lateMs > stallMs) timer = setTimeout(expired, Math.min(lateMs, ms));
    else expired();
  }, ms);
  return () => clearTimeout(timer);
}
