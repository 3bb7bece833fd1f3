/** The primary process, as a worker sees it. */
import cluster from 'node:cluster';
import { PeerSilent } from '../errors.ts';
import { pack, readInWorker, type ToPrimary, type ToWorker } from './messages.ts';

/** Longest wait for the metrics of all workers: the primary itself waits for 1 s. */
const pageMs = 3000;

export interface PrimaryListener {
  said(message: ToWorker): void;
  /** The primary process has died. */
  gone(): void;
}

export class PrimaryChannel {
  readonly #pages = new Map<number, (body: string) => void>();
  #asked = 0;

  constructor(listener: PrimaryListener) {
    process.on('message', (raw) => {
      const message = readInWorker(raw);
      if (message === null) return;
      if (message.kind === 'page') this.#pages.get(message.id)?.(message.body);
      else if (message.kind === 'ping') this.say({ kind: 'pong' });
      else listener.said(message);
    });
    void this.say({ kind: 'hello' });
    // Before that of node:cluster, which would end the process here and now, and every client with it.
    process.prependOnceListener('disconnect', () => {
      if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true;
      listener.gone();
    });
  }

  /** Resolves when it is on its way, also where it cannot be any more. */
  say(message: ToPrimary): Promise<void> {
    return new Promise((resolve) => {
      if (!process.connected || process.send === undefined) return resolve();
      process.send(pack(message), undefined, undefined, () => resolve());
    });
  }

  /** The metrics of all workers as one text. @throws HOLDFAST_ERR_PEER_SILENT */
  page(): Promise<string> {
    this.#asked += 1;
    const id = this.#asked;
    return new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new PeerSilent('the primary process', pageMs)), pageMs);
      this.#pages.set(id, (body) => {
        clearTimeout(timer);
        resolve(body);
      });
      void this.say({ kind: 'gather', id });
    }).finally(() => this.#pages.delete(id));
  }
}
