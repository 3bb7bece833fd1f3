import { readdirSync, readFileSync } from 'node:fs';

/** CPU time of all threads of a process, milliseconds, exact to the nanosecond (Linux). @param {number} pid */
export function cpuMsOf(pid) {
  let ns = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ', 1)[0]);
  }
  return ns / 1e6;
}

/** A process and all that it has started, itself first; without those that end meanwhile. @param {number} pid @returns {number[]} */
export function treeOf(pid) {
  try {
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
    );
    return [pid, ...children.flatMap(treeOf)];
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(/** @type {NodeJS.ErrnoException} */ (error).code ?? '')) return [];
    throw error;
  }
}

/** Resident memory of a process, bytes. @param {number} pid */
export function residentBytesOf(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024;
}
