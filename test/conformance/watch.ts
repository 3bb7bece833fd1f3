/** Waits for a state that events bring about, without looking again and again. */
import { failureAt } from '../support/wait.ts';

export class Watch {
  readonly #checks = new Set<() => void>();

  /** Something has happened. */
  changed(): void {
    for (const check of [...this.#checks]) check();
  }

  when(holds: () => boolean, what: string, timeoutMs = 8000): Promise<void> {
    if (holds()) return Promise.resolve();
    const fail = failureAt(new Error());
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        this.#checks.delete(check);
      };
      const check = (): void => {
        if (!holds()) return;
        stop();
        resolve();
      };
      const timer = setTimeout(() => {
        stop();
        reject(fail(`waited ${timeoutMs} ms for ${what}`));
      }, timeoutMs);
      this.#checks.add(check);
    });
  }
}
