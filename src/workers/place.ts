/**
 * One of the places for workers. Who serves last in it has it, and the one before ends: so a successor, whatever it was started for, never
 * makes one too many. A place that nobody has, or comes to, is filled again.
 */
import { type CommandSettings, endingTimeMs } from '../config.ts';
import { resolveOptions } from '../options.ts';
import { Member, type MemberExit, reasonOf } from './member.ts';
import type { ToPrimary } from './messages.ts';
import { Restarts } from './restarts.ts';
import { startMs } from './settings.ts';

/** What a worker may take longer to end than it allows itself. */
const endMarginMs = 5000;

export interface PrimaryLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  fatal(fields: object, message: string): void;
}

/** What a place needs of the primary. */
export interface PlaceHost {
  readonly log: PrimaryLog;
  /** What a worker is started with, unless it is said otherwise. */
  settings(): CommandSettings;
  /** Nobody is started any more. */
  ending(): boolean;
  /** What does not concern its place. */
  said(member: Member, message: ToPrimary): void;
  gone(member: Member, exit: MemberExit): void;
  /** Short lives alone in this place. @returns true = no other place serves either: all ends. */
  givesUp(fields: object): boolean;
}

export class Place {
  /** From 1. */
  readonly index: number;
  readonly #host: PlaceHost;
  /** Oldest first. */
  readonly #members = new Set<Member>();
  readonly #restarts = new Restarts();
  #restarted = 0;
  /** Somebody has served here: the start is over. */
  #served = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(index: number, host: PlaceHost) {
    this.index = index;
    this.#host = host;
  }

  get members(): readonly Member[] {
    return [...this.#members];
  }

  /** How often one was started for another that had died. */
  get restarted(): number {
    return this.#restarted;
  }

  /** Another process: the place is its when it serves. */
  fork(settings = this.#host.settings()): Member {
    clearTimeout(this.#timer);
    const { index } = this;
    const { log } = this.#host;
    const member: Member = new Member(index, settings, {
      said: (message) => this.#hear(member, message),
      gone: (exit) => this.#gone(member, exit),
    });
    this.#members.add(member);
    member.limit(startMs, () => log.error({ worker: index }, `worker ${index} does not start: it is killed`));
    return member;
  }

  /**
   * Until a worker that was started with these settings has the place, and the one before has ended.
   * @returns how it failed; null = it serves, or all are ending.
   */
  async renew(settings: CommandSettings): Promise<MemberExit | null> {
    let member = this.#latest;
    while (member?.state === 'starting' && member.settings !== settings) {
      await member.started;
      member = this.#latest;
    }
    if (this.#host.ending()) return null;
    if (member?.settings !== settings) member = this.fork(settings);
    const outcome = await member.started;
    if (this.#host.ending()) return null;
    if (!('address' in outcome)) return outcome;
    await Promise.all(this.members.filter(({ state }) => state === 'ending').map(({ ended }) => ended));
    return null;
  }

  /** All here end, and nobody comes any more. @param noTerminal nothing can be written to it any more. */
  end(noTerminal: boolean): void {
    clearTimeout(this.#timer);
    for (const member of this.#members) this.#end(member, { replaced: false, noTerminal });
  }

  /** All here end at once, and nobody comes any more. */
  kill(): void {
    clearTimeout(this.#timer);
    for (const member of this.#members) member.kill();
  }

  /** Who has the place, or comes to it; undefined = nobody. */
  get #latest(): Member | undefined {
    return this.members.findLast(({ state }) => state === 'starting' || state === 'serving');
  }

  #hear(member: Member, message: ToPrimary): void {
    if (message.kind === 'serving') this.#taken(member);
    else if (message.kind === 'leaving') this.#left(member);
    else this.#host.said(member, message);
  }

  #taken(by: Member): void {
    this.#served = true;
    for (const member of this.#members)
      if (member !== by && member.state !== 'ending') this.#end(member, { replaced: true, noTerminal: false });
  }

  /** The place is another's before it goes, so that the port stays open and its clients find another. */
  #left(member: Member): void {
    if (this.#host.ending() || member.state !== 'serving') return;
    member.state = 'leaving';
    const { index } = this;
    const fields = { worker: index, workerPid: member.pid };
    this.#host.log.info(fields, `worker ${index} is told to end: another one takes its place`);
    if (this.#latest === undefined) this.fork();
  }

  #end(member: Member, order: { replaced: boolean; noTerminal: boolean }): void {
    if (member.state === 'starting') {
      member.kill();
      return;
    }
    member.state = 'ending';
    member.send({ kind: 'end', ...order });
    const { index } = this;
    const ms = endingTimeMs(resolveOptions(member.settings.options)) + endMarginMs;
    member.limit(ms, () => this.#host.log.error({ worker: index }, `worker ${index} does not end: it is killed`));
  }

  #gone(member: Member, exit: MemberExit): void {
    this.#members.delete(member);
    this.#host.gone(member, exit);
    if (this.#host.ending()) return;
    const { index } = this;
    const { log } = this.#host;
    const fields = fieldsOf(member, exit);
    if (member.state === 'leaving' || member.state === 'ending') {
      log.info(fields, `worker ${index} has ended`);
    } else if (this.#latest === undefined) {
      // Else it is the first here: somebody waits for it to serve, and deals with it.
      if (this.#served) this.#restart(fields, exit);
    } else if (member.state === 'serving') {
      log.error({ ...fields, reason: reasonOf(exit) }, `worker ${index} has died: the one that starts takes its place`);
    }
  }

  #restart(fields: object, exit: MemberExit): void {
    const { index } = this;
    const delayMs = this.#restarts.next(exit.livedMs);
    const why = { ...fields, reason: reasonOf(exit) };
    if (this.#restarts.hopeless && this.#host.givesUp(why)) return;
    const text = `worker ${index} has died: another one takes its place in ${delayMs} ms`;
    this.#host.log.error({ ...why, delayMs }, text);
    this.#timer = setTimeout(() => {
      this.#restarted += 1;
      this.fork();
    }, delayMs);
  }
}

function fieldsOf({ index: worker, pid: workerPid }: Member, { code: exitCode, signal, livedMs }: MemberExit) {
  return { worker, workerPid, exitCode, signal, livedMs: Math.round(livedMs) };
}
