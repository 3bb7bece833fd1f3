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
import { type CommandSettings, endingTimeMs } from '../config.ts';
import { resolveOptions } from '../options.ts';
import { Member, type MemberExit, type Serving } from './member.ts';
import type { ToPrimary } from './messages.ts';
import { MetricsGathering } from './metrics-gathering.ts';
import { Restarts } from './restarts.ts';

export interface PrimaryLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
}

/** What every worker is started with. */
export interface WorkerOrder {
  readonly settings: CommandSettings;
  readonly tokens: readonly (string | AdminToken)[];
}

/** How often it is looked whether the workers are there, and how often in a row one may be silent. */
const pingMs = 5000;
const silencesAllowed = 6;
/** Longest time of a start. */
const startMs = 60_000;
/** What a worker may take longer to end than it allows itself. */
const endMarginMs = 5000;

const workerFile = `./worker-main${extname(fileURLToPath(import.meta.url))}`;

export class Primary {
  /** The exit code, when all have ended. */
  readonly ended: Promise<number>;
  readonly #log: PrimaryLog;
  readonly #metrics: MetricsGathering;
  readonly #members = new Set<Member>();
  readonly #restarts: readonly Restarts[];
  readonly #timers = new Set<NodeJS.Timeout>();
  #order: WorkerOrder;
  #state: 'starting' | 'running' | 'ending' | 'ended' = 'starting';
  #restarted = 0;
  #exitCode = 0;
  #rolling = false;
  #resolveEnded: (code: number) => void = () => {};

  constructor(order: WorkerOrder, log: PrimaryLog) {
    this.#order = order;
    this.#log = log;
    this.#restarts = Array.from({ length: order.settings.workers }, () => new Restarts());
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#metrics = new MetricsGathering({
      workers: () => this.#serving,
      figures: () => ({ workers: this.#restarts.length, restarts: this.#restarted }),
    });
  }

  /**
   * The first worker alone: what is wrong is said once, and the others find its ports and its pool.
   * @returns where the clients connect; null = it was ended meanwhile.
   * @throws ConfigInvalid, CannotStart: then none of them runs any more.
   */
  async start(): Promise<Serving | null> {
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'];
    cluster.setupPrimary({ exec: fileURLToPath(new URL(workerFile, import.meta.url)), args: [], stdio });
    serveIpcStore();
    setInterval(() => this.#ping(), pingMs).unref();
    const [first, ...others] = this.#restarts.map((_one, slot) => slot + 1);
    const serving = await this.#mustServe(this.#fork(first!));
    if (this.#ending) return null;
    await Promise.all(others.map((index) => this.#mustServe(this.#fork(index))));
    if (this.#ending) return null;
    this.#state = 'running';
    return serving;
  }

  /** Certificates are read anew, and the tokens replaced where there are new ones. */
  reload(tokens: WorkerOrder['tokens'] | null): void {
    if (tokens !== null) this.#order = { ...this.#order, tokens };
    for (const member of this.#members) member.send({ kind: 'reload', tokens: tokens === null ? null : [...tokens] });
  }

  /**
   * One worker after the other gets a successor, with these settings, and ends when that serves. At the first successor that cannot serve
   * it stops: the settings from before hold on. The number of workers stays as it is.
   */
  async roll(order: WorkerOrder): Promise<void> {
    if (this.#state !== 'running' || this.#rolling) return;
    this.#rolling = true;
    const before = this.#order;
    this.#order = order;
    for (const member of this.#serving.filter(({ state }) => state === 'serving')) {
      const failed = await this.#succeed(member);
      if (this.#ending) return;
      if (failed === null) continue;
      this.#order = before;
      const reason = failed.failure?.line ?? describe(failed);
      this.#log.error({ worker: member.index, reason }, 'the workers stay as they are: a new one cannot serve');
      break;
    }
    this.#rolling = false;
    if (this.#order === order) this.#log.info({ workers: this.#restarts.length }, 'all workers were replaced');
  }

  /** All end in good order, and none is started any more. Idempotent. @param noTerminal nothing can be written to it any more. */
  end(noTerminal = false): void {
    if (this.#ending) return;
    this.#state = 'ending';
    for (const timer of this.#timers) clearTimeout(timer);
    for (const member of this.#members) this.#endOne(member, { handOver: false, noTerminal });
    this.#endIfEmpty();
  }

  /** All end at once. */
  kill(): void {
    this.#state = 'ending';
    for (const member of this.#members) member.kill();
    this.#endIfEmpty();
  }

  get #ending(): boolean {
    return this.#state === 'ending' || this.#state === 'ended';
  }

  get #serving(): Member[] {
    return [...this.#members].filter(({ state }) => state !== 'starting');
  }

  async #mustServe(member: Member): Promise<Serving | null> {
    const outcome = await member.started;
    if ('address' in outcome) return outcome;
    if (this.#ending) return null;
    this.kill();
    await this.ended;
    if (outcome.failure?.code === 2) throw new ConfigInvalid(outcome.failure.line);
    throw new CannotStart(
      outcome.failure?.line ?? `worker ${member.index} ended before it served (${describe(outcome)}).`,
    );
  }

  /** @param onTrial there is still one in its place: where it cannot serve nobody is missing. */
  #fork(index: number, onTrial = false): Member {
    const listener = {
      said: (message: ToPrimary) => this.#hear(member, message),
      gone: (exit: MemberExit) => this.#gone(member, exit),
    };
    const member: Member = new Member({ index, onTrial }, listener);
    this.#members.add(member);
    member.limit(startMs, () => this.#log.error({ worker: index }, `worker ${index} does not start: it is killed`));
    return member;
  }

  #hear(member: Member, message: ToPrimary): void {
    switch (message.kind) {
      case 'hello':
        member.send({ kind: 'begin', index: member.index, ...this.#order, tokens: [...this.#order.tokens] });
        return;
      case 'leaving':
        this.#replace(member);
        return;
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

  /** Its place is taken before it goes, so that the port stays open and its clients find another. */
  #replace(member: Member): void {
    if (this.#ending || member.state !== 'serving') return;
    member.state = 'leaving';
    const { index } = member;
    this.#log.info(
      { worker: index, workerPid: member.pid },
      `worker ${index} is told to end: another one takes its place`,
    );
    const end = (): void => {
      if (this.#members.has(member) && !this.#ending) this.#endOne(member, { handOver: true, noTerminal: false });
    };
    void this.#fork(index).started.then(end);
  }

  /** @returns how its successor ended; null = the place is its. */
  async #succeed(member: Member): Promise<MemberExit | null> {
    const outcome = await this.#fork(member.index, true).started;
    if (!('address' in outcome)) return outcome;
    if (this.#ending || !this.#members.has(member)) return null;
    this.#endOne(member, { handOver: true, noTerminal: false });
    await member.ended;
    return null;
  }

  #endOne(member: Member, order: { handOver: boolean; noTerminal: boolean }): void {
    if (member.state === 'starting') {
      member.kill();
      return;
    }
    member.state = 'leaving';
    member.send({ kind: 'end', ...order });
    const { index } = member;
    const ms = endingTimeMs(resolveOptions(this.#order.settings.options)) + endMarginMs;
    member.limit(ms, () => this.#log.error({ worker: index }, `worker ${index} does not end: it is killed`));
  }

  #gone(member: Member, exit: MemberExit): void {
    this.#members.delete(member);
    this.#metrics.depart(member.id);
    if (this.#ending) {
      if (member.state === 'leaving' && exit.code !== 0 && !exit.noTerminal) this.#exitCode = 1;
      this.#endIfEmpty();
    } else if (member.state === 'leaving') {
      this.#log.info(fieldsOf(member, exit), `worker ${member.index} has ended`);
    } else if (member.state === 'serving' || (this.#state === 'running' && !member.onTrial)) {
      this.#restart(member, exit);
    }
    // Else somebody waits for it to serve, and deals with it.
  }

  #restart(member: Member, exit: MemberExit): void {
    const { index } = member;
    const restarts = this.#restarts[index - 1]!;
    const delayMs = restarts.next(exit.livedMs);
    const fields = { ...fieldsOf(member, exit), reason: exit.failure?.line ?? describe(exit) };
    if (restarts.hopeless && this.#serving.length === 0) {
      this.#log.fatal(fields, 'no worker lives long enough to serve: the gateway ends');
      this.#exitCode = 1;
      this.end();
      return;
    }
    this.#log.error({ ...fields, delayMs }, `worker ${index} has died: another one takes its place in ${delayMs} ms`);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#restarted += 1;
      this.#fork(index);
    }, delayMs);
    this.#timers.add(timer);
  }

  #endIfEmpty(): void {
    if (this.#state !== 'ending' || this.#members.size > 0) return;
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

function fieldsOf({ index: worker, pid: workerPid }: Member, { code: exitCode, signal, livedMs }: MemberExit) {
  return { worker, workerPid, exitCode, signal, livedMs: Math.round(livedMs) };
}

function describe({ code, signal }: Pick<MemberExit, 'code' | 'signal'>): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}
