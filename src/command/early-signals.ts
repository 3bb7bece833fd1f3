/**
 * SIGHUP and SIGUSR2 ask for something to be read anew, and end a process that does not listen for them. So this is loaded first: what comes
 * until somebody deals with them is kept for him.
 */

/** Asked before the terminal can be gone: then there is none to be seen any more. */
export const startedAtTerminal = process.stdin.isTTY === true;

const kept = new Set<NodeJS.Signals>();
const keep = (signal: NodeJS.Signals): void => void kept.add(signal);
process.on('SIGHUP', keep).on('SIGUSR2', keep);

/** `listener` hears of this signal from now on; of one that was kept, as if it came now. */
export function takeOver(signal: 'SIGHUP' | 'SIGUSR2', listener: (signal: NodeJS.Signals) => void): void {
  // In this order: without any listener it would end the process.
  process.on(signal, listener).off(signal, keep);
  if (kept.delete(signal)) setImmediate(listener, signal);
}
