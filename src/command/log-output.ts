/** Where the log of the command goes: stdout, without waiting for whoever reads it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';

/** What waits for a reader that does not keep up, bytes; over it lines are lost. */
const maxWaitingBytes = 8 * 2 ** 20;
/** A reader that takes nothing for so long is not waited for: at the end in good order, and at once; milliseconds. */
const patienceMs = 3000;
const lastPatienceMs = 250;
const lookMs = 10;

export interface LogOutputOptions {
  /** Default: stdout. */
  readonly fd?: number;
  /** Default 8 MiB. */
  readonly maxBytes?: number;
}

/** A destination for pino; one for the process. */
export class LogOutput {
  /** Is told of lines that were lost, when the reader takes some again. */
  log: { warn(fields: object, message: string): void } | null = null;
  readonly #output: ReturnType<typeof pino.destination>;
  #waits = false;
  #takenAt = 0;
  #lost = 0;
  /** The last write failed. */
  #fails = false;
  /** Nobody will read it any more. */
  #closed = false;

  constructor({ fd = process.stdout.fd ?? 1, maxBytes = maxWaitingBytes }: LogOutputOptions = {}) {
    this.#output = pino.destination({ dest: fd, sync: false, maxLength: maxBytes });
    this.#output.on('drop', () => {
      this.#lost += 1;
    });
    this.#output.on('write', () => {
      this.#takenAt = performance.now();
      this.#fails = false;
    });
    this.#output.on('drain', () => this.#drained());
    // A full disk, a terminal that is gone: no reason to end. It is tried again with the next line, but for a pipe that is closed.
    this.#output.on('error', ({ code }: NodeJS.ErrnoException) => {
      this.#waits = false;
      this.#fails = true;
      this.#closed ||= code === 'EPIPE';
    });
    process.prependListener('exit', () => {
      // Pino would try for ever to write what is left.
      if (this.#fails) this.#output.destroy();
      // Node would wait for the write that is under way, pino for those after it.
      if (this.#waits && this.#silentMs > lastPatienceMs) process.kill(process.pid, 'SIGKILL');
    });
  }

  /** Resolves when all was taken; or nothing was for three seconds. */
  async settled(): Promise<void> {
    while (this.#waits && this.#silentMs < patienceMs) await sleep(lookMs);
  }

  write(line: string): void {
    if (this.#closed) return;
    if (!this.#waits) {
      this.#waits = true;
      this.#takenAt = performance.now();
    }
    this.#output.write(line);
  }

  get #silentMs(): number {
    return performance.now() - this.#takenAt;
  }

  #drained(): void {
    this.#waits = false;
    if (this.#lost === 0) return;
    const lines = this.#lost;
    this.#lost = 0;
    this.log?.warn({ lines }, 'lines of the log were lost: whoever reads it did not keep up');
  }
}
