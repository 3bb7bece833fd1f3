/**
 * The primary process of several workers: it holds what they share, starts them, starts anew who dies, and ends them. It serves no client:
 * node:cluster accepts the connections here and hands them to the workers in turn.
 */
import cluster from 'node:cluster';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AdminToken } from '../admin/settings.ts';
import { serveIpcStore } from '../cluster/ipc/ipc-primary.ts';
import { CannotStart } from '../command/exit.ts';
import { ConfigInvalid } from '../command-schema.ts';
import type { CommandSettings } from '../config.ts';
import { describe, type Member, type MemberExit, reasonOf, type Serving } from './member.ts';
import type { ToPrimary } from './messages.ts';
import { MetricsGathering } from './metrics-gathering.ts';
import { Place, type PlaceHost, type PrimaryLog } from './place.ts';

type Tokens = readonly (string | AdminToken)[];

/** How often it is looked whether the workers are there, and how often in a row one may be silent. */
const pingMs = 5000;
const silencesAllowed = 6;

const workerFile = `./worker-main${extname(fileURLToPath(import.meta.url))}`;

export class Primary {
  /** The exit code, when all have ended. */
  readonly ended: Promise<number>;
  readonly #log: PrimaryLog;
  readonly #metrics: MetricsGathering;
  readonly #places: readonly Place[];
  /** Of who is started anew. */
  #settings: CommandSettings;
  /** Of all, whatever they were started with: one that was taken back never returns. */
  #tokens: Tokens;
  #state: 'starting' | 'running' | 'ending' | 'ended' = 'starting';
  #exitCode = 0;
  /** Of the next roll. */
  #wanted: CommandSettings | null = null;
  #rolling = false;
  #resolveEnded: (code: number) => void = () => {};

  constructor(settings: CommandSettings, tokens: Tokens, log: PrimaryLog) {
    this.#settings = settings;
    this.#tokens = tokens;
    this.#log = log;
    const host: PlaceHost = {
      log,
      settings: () => this.#settings,
      ending: () => this.#ending,
      said: (member, message) => this.#hear(member, message),
      gone: (member, exit) => this.#gone(member, exit),
      givesUp: (fields) => this.#givesUp(fields),
    };
    this.#places = Array.from({ length: settings.workers }, (_none, slot) => new Place(slot + 1, host));
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#metrics = new MetricsGathering({
      workers: () => this.#serving,
      figures: () => ({
        workers: this.#places.length,
        restarts: this.#places.reduce((sum, { restarted }) => sum + restarted, 0),
      }),
    });
  }

  /**
   * The first worker alone: what is wrong is said once, and the others find its ports and its pool.
   * @returns where the clients connect; null = it was ended meanwhile.
   * @throws ConfigInvalid, CannotStart: then none of them runs any more.
   */
  async start(): Promise<Serving | null> {
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'];
    // The Unix socket of the admin API is bound here: it is the owner's alone before a worker can say so.
    process.umask(process.umask() | 0o077);
    cluster.setupPrimary({ exec: fileURLToPath(new URL(workerFile, import.meta.url)), args: [], stdio });
    serveIpcStore();
    setInterval(() => this.#ping(), pingMs).unref();
    const [first, ...others] = this.#places;
    const serving = await this.#mustServe(first!);
    if (this.#ending) return null;
    await Promise.all(others.map((place) => this.#mustServe(place)));
    if (this.#ending) return null;
    this.#state = 'running';
    void this.#rollOn();
    return serving;
  }

  /** Certificates are read anew, and the tokens replaced where there are new ones: by all workers, at once. */
  reload(tokens: Tokens | null): void {
    if (tokens !== null) this.#tokens = tokens;
    for (const member of this.#members) member.send({ kind: 'reload', tokens: tokens === null ? null : [...tokens] });
  }

  /**
   * One worker after the other gets a successor, with these settings, and ends when that serves. At the first successor that cannot serve
   * it stops: the settings from before hold on. The number of workers stays as it is. While workers start, or are replaced, the latest
   * settings wait until that is done.
   */
  roll(settings: CommandSettings): void {
    if (this.#ending) return;
    this.#wanted = settings;
    const waits = this.#rolling || this.#state === 'starting';
    this.#log.info({}, `one worker after the other is replaced${waits ? ', when what is under way is done' : ''}`);
    void this.#rollOn();
  }

  /** All end in good order, and none is started any more. Idempotent. @param noTerminal nothing can be written to it any more. */
  end(noTerminal = false): void {
    if (this.#ending) return;
    this.#state = 'ending';
    for (const place of this.#places) place.end(noTerminal);
    this.#endIfEmpty();
  }

  /** All end at once. */
  kill(): void {
    this.#state = 'ending';
    for (const place of this.#places) place.kill();
    this.#endIfEmpty();
  }

  get #ending(): boolean {
    return this.#state === 'ending' || this.#state === 'ended';
  }

  get #members(): Member[] {
    return this.#places.flatMap(({ members }) => members);
  }

  /** Those that hold clients. */
  get #serving(): Member[] {
    return this.#members.filter(({ state }) => state !== 'starting');
  }

  async #mustServe(place: Place): Promise<Serving | null> {
    const outcome = await place.fork().started;
    if ('address' in outcome) return outcome;
    if (this.#ending) return null;
    this.kill();
    await this.ended;
    if (outcome.failure?.code === 2) throw new ConfigInvalid(outcome.failure.line);
    throw new CannotStart(
      outcome.failure?.line ?? `worker ${place.index} ended before it served (${describe(outcome)}).`,
    );
  }

  async #rollOn(): Promise<void> {
    if (this.#rolling) return;
    this.#rolling = true;
    while (this.#state === 'running' && this.#wanted !== null) {
      const settings = this.#wanted;
      this.#wanted = null;
      await this.#rollAll(settings);
    }
    this.#rolling = false;
  }

  async #rollAll(settings: CommandSettings): Promise<void> {
    const before = this.#settings;
    for (const place of this.#places) {
      const failed = await place.renew(settings);
      if (this.#ending) return;
      if (failed !== null) {
        this.#settings = before;
        const fields = { worker: place.index, reason: reasonOf(failed) };
        this.#log.error(fields, 'the workers stay as they are: a new one cannot serve');
        return;
      }
      // Not sooner: who dies before one has served with them is started as before.
      this.#settings = settings;
    }
    this.#log.info({ workers: this.#places.length }, 'all workers were replaced');
  }

  #hear(member: Member, message: ToPrimary): void {
    switch (message.kind) {
      case 'hello': {
        const { index, settings } = member;
        member.send({ kind: 'begin', index, settings, tokens: [...this.#tokens] });
        return;
      }
      case 'gather':
        void this.#metrics.page().then((body) => member.send({ kind: 'page', id: message.id, body }));
        return;
      case 'collected':
        this.#metrics.take(member.id, message.metrics, message.id);
        return;
      case 'final':
        this.#metrics.take(member.id, message.metrics);
        return;
      default:
    }
  }

  #gone(member: Member, exit: MemberExit): void {
    this.#metrics.depart(member.id);
    if (this.#ending && member.state === 'ending' && exit.code !== 0 && !exit.noTerminal) this.#exitCode = 1;
    this.#endIfEmpty();
  }

  #givesUp(fields: object): boolean {
    if (this.#serving.length > 0) return false;
    this.#log.fatal(fields, 'no worker lives long enough to serve: the gateway ends');
    this.#exitCode = 1;
    this.end();
    return true;
  }

  #endIfEmpty(): void {
    if (this.#state !== 'ending' || this.#members.length > 0) return;
    this.#state = 'ended';
    this.#resolveEnded(this.#exitCode);
  }

  /** Who is frozen, or turns in a circle, is killed: its connections would hang for ever. */
  #ping(): void {
    for (const member of this.#members) {
      if (member.state !== 'serving') continue;
      member.silences += 1;
      if (member.silences <= silencesAllowed) {
        member.send({ kind: 'ping' });
        continue;
      }
      const { index, pid: workerPid } = member;
      this.#log.error(
        { worker: index, workerPid },
        `worker ${index} has not answered for ${pingMs * silencesAllowed} ms: it is killed`,
      );
      member.kill();
    }
  }
}
