/**
 * Who may get a pipe now. Ejected backends are left out, unless every other enabled one is full or there is none: better a
 * doubtful backend than none, but no flood on it while the others are merely busy dialling. Plain scans that allocate nothing.
 */
import type { Backend } from './backend.ts';

/** True if an enabled backend is neither ejected nor full: then the ejected ones stay out. */
export function anyFresh(backends: readonly Backend[], now: number): boolean {
  for (let at = 0; at < backends.length; at += 1) {
    const backend = backends[at]!;
    if (backend.enabled && !backend.full && !backend.ejectedAt(now)) return true;
  }
  return false;
}

/** Puts those that may be chosen into `into`, which then holds nothing else unless there are none; answers how many. */
export function gatherCandidates(
  backends: readonly Backend[],
  now: number,
  exclude: Pick<ReadonlySet<string>, 'has'> | undefined,
  into: Backend[],
): number {
  const skipEjected = anyFresh(backends, now);
  let count = 0;
  for (let at = 0; at < backends.length; at += 1) {
    const backend = backends[at]!;
    if (!backend.enabled || backend.room() === 0) continue;
    if (skipEjected && backend.ejectedAt(now)) continue;
    if (exclude?.has(backend.id)) continue;
    into[count] = backend;
    count += 1;
  }
  // Not down to 0: V8 would drop the array's store and the next scan would allocate a new one.
  if (count > 0) into.length = count;
  return count;
}

/** How many leases could be given now to someone who excludes nothing; counted no further than `enough`. */
export function roomUpTo(backends: readonly Backend[], now: number, enough: number): number {
  const skipEjected = anyFresh(backends, now);
  let room = 0;
  for (let at = 0; at < backends.length && room < enough; at += 1) {
    const backend = backends[at]!;
    if (backend.enabled && !(skipEjected && backend.ejectedAt(now))) room += backend.room();
  }
  return room;
}
