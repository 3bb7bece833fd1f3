/** A timer that fires this late, by the wall clock, says that we slept. */
const lateMs = 2_000;
/** What the other end gets after that. */
const againMs = 5_000;

/** Calls `expired` after so long; where this page slept meanwhile, somewhat later, once. Gives a function that ends it. */
export function startDeadline(ms: number, expired: () => void): () => void {
  const due = Date.now() + ms;
  let timer = setTimeout(() => {
    if (Date.now() - due > lateMs) timer = setTimeout(expired, againMs);
    else expired();
  }, ms);
  return () => clearTimeout(timer);
}
