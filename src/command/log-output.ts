/** Where the log of the command goes: stdout, without waiting for whoever reads it. */
import { write, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What waits for a reader that does not keep up, bytes; over it lines are lost. */
const maxWaitingBytes = 8 * 2 ** 20;
/**
 * Written at once, bytes; a line that is longer goes by itself. A pipe takes so much as a whole or not at all (PIPE_BUF; write(2) of POSIX): no line
 * is mixed with those of another process on the same pipe, or cut where ours exits.
 */
const maxWriteBytes = 4096;
/** Until the next try where the reader has no room, and where nothing can be written at all: a full disk, a terminal that is gone; milliseconds. */
const fullMs = 20;
const failedMs = 1000;
/** A reader that takes nothing for so long is not waited for: at the end in good order, and at once; milliseconds. */
const patienceMs = 3000;
const lastPatienceMs = 250;
const lookMs = 10;

const nothing = Buffer.alloc(0);

/** Whole lines that are written at once. */
interface Part {
  text: string;
  bytes: number;
}

/** What node has for a stdout that is no file. */
interface StreamHandle {
  setBlocking(blocking: boolean): void;
}

export interface LogOutputOptions {
  /** Default 8 MiB. */
  readonly maxBytes?: number;
}

/** A destination for pino; one for the process. */
export class LogOutput {
  /** Is told of lines that were lost, when all that waited has been written. */
  log: { warn(fields: object, message: string): void } | null = null;
  /** Asking for stdout makes a pipe one that is not waited for. */
  readonly #fd = process.stdout.fd ?? 1;
  /** Undefined = a file: nobody reads it. */
  readonly #stream = (process.stdout as { _handle?: StreamHandle })._handle;
  readonly #maxBytes: number;
  /** Oldest first. */
  readonly #parts: Part[] = [];
  /** What is left of the part that goes before them. */
  #rest = nothing;
  /** Of rest and parts. */
  #bytes = 0;
  /** due: begins with the next turn of the event loop. resting: until the next try. closed: nobody will ever read it. */
  #state: 'idle' | 'due' | 'writing' | 'resting' | 'closed' = 'idle';
  /** Why the last try failed; null = it did not, or there was just no room. */
  #failure: string | null = null;
  #takenAt = 0;
  #lost = 0;
  #lostBy: string | null = null;

  constructor({ maxBytes = maxWaitingBytes }: LogOutputOptions = {}) {
    this.#maxBytes = maxBytes;
    process.once('exit', () => this.#finish());
  }

  write(line: string): void {
    if (this.#state === 'closed') return;
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + bytes > this.#maxBytes) {
      this.#lost += 1;
      this.#lostBy = this.#failure;
      return;
    }
    if (this.#bytes === 0) this.#takenAt = performance.now();
    this.#bytes += bytes;
    const last = this.#parts.at(-1);
    if (last !== undefined && last.bytes + bytes <= maxWriteBytes) {
      last.text += line;
      last.bytes += bytes;
    } else {
      this.#parts.push({ text: line, bytes });
    }
    if (this.#state !== 'idle') return;
    // Lines of one turn go together; and where the process exits in it, none of them is on its way.
    this.#state = 'due';
    setImmediate(() => {
      // Had we stood still meanwhile, that says nothing of who reads.
      this.#takenAt = performance.now();
      this.#next();
    });
  }

  /** Resolves when all was taken; or nothing was for three seconds, or can be. */
  async settled(): Promise<void> {
    while (this.#bytes > 0 && this.#failure === null && this.#silentMs < patienceMs) await sleep(lookMs);
  }

  get #silentMs(): number {
    return performance.now() - this.#takenAt;
  }

  #next(): void {
    if (!this.#load()) {
      this.#state = 'idle';
      this.#tellLost();
      return;
    }
    this.#state = 'writing';
    this.#doNotWait();
    write(this.#fd, this.#rest, (error, written) => {
      if (error === null) {
        this.#took(written);
        this.#next();
      } else {
        this.#failed(error);
      }
    });
  }

  /** Before each write: whoever else has the pipe may have made it one that is waited for, as node does where it ends. */
  #doNotWait(): void {
    this.#stream?.setBlocking(false);
  }

  /** @returns whether there is something to write: it is in `rest`. */
  #load(): boolean {
    if (this.#rest.length === 0) this.#rest = Buffer.from(this.#parts.shift()?.text ?? '');
    return this.#rest.length > 0;
  }

  #took(bytes: number): void {
    this.#rest = this.#rest.subarray(bytes);
    this.#bytes -= bytes;
    this.#takenAt = performance.now();
    this.#failure = null;
  }

  #failed(error: NodeJS.ErrnoException): void {
    if (error.code === 'EPIPE') {
      this.#state = 'closed';
      this.#rest = nothing;
      this.#parts.length = 0;
      this.#bytes = 0;
      return;
    }
    this.#failure = isFull(error) ? null : (error.code ?? error.message);
    this.#state = 'resting';
    setTimeout(() => this.#next(), this.#failure === null ? fullMs : failedMs).unref();
  }

  #tellLost(): void {
    if (this.#lost === 0) return;
    const [lines, reason] = [this.#lost, this.#lostBy];
    this.#lost = 0;
    const why = reason === null ? 'whoever reads it did not keep up' : 'it could not be written';
    this.log?.warn({ lines, ...(reason === null ? {} : { reason }) }, `lines of the log were lost: ${why}`);
  }

  /** The process exits: what waits is written in this step, while somebody takes it. */
  #finish(): void {
    if (this.#state === 'writing') {
      // Node waits for a write that is under way: for ever, where it waits for a reader.
      if (this.#silentMs > lastPatienceMs) process.kill(process.pid, 'SIGKILL');
      pause(lookMs);
      // Nobody tells any more whether it went out: it is not written twice.
      this.#took(this.#rest.length);
    }
    while (this.#load()) {
      try {
        this.#doNotWait();
        this.#took(writeSync(this.#fd, this.#rest));
      } catch (error) {
        if (!isFull(error as NodeJS.ErrnoException) || this.#silentMs > lastPatienceMs) return;
        pause(lookMs);
      }
    }
  }
}

/** There is no room for it now. */
function isFull({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EAGAIN' || code === 'EBUSY';
}

/** The whole thread waits. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
