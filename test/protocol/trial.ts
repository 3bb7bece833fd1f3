/** A rule of docs/PROTOCOL.md, how it is tried, and what rules have in common. */
import assert from 'node:assert/strict';
import { mark, type OpenOptions, type Resumption, Speaker, type Welcome } from './speaker.ts';

/** The gateway under test, and what else the tester may do to it. */
export interface Rig {
  readonly url: string;
  /** Of the admin API; null = those rules are left out. */
  readonly admin: ((method: string, path: string, body?: object) => Promise<number>) | null;
  /** Makes the gateway restart or end gracefully; null = left out. Called once, by the last rule. */
  readonly stop: (() => void | Promise<void>) | null;
}

/** One run of one rule. */
export class Trial {
  readonly rig: Rig;
  readonly #speakers: Speaker[] = [];
  readonly #ends: (() => void)[] = [];

  constructor(rig: Rig) {
    this.rig = rig;
  }

  after(fn: () => void): void {
    this.#ends.push(fn);
  }

  open = (options?: OpenOptions): Promise<Speaker> => this.#keep(Speaker.open(this, this.rig.url, options));
  greeted = (options?: OpenOptions): Promise<Speaker> => this.#keep(Speaker.greeted(this, this.rig.url, options));
  begun = (resume: Resumption | null = null, options?: OpenOptions): Promise<Speaker & { readonly welcome: Welcome }> =>
    this.#keep(Speaker.begun(this, this.rig.url, resume, options));

  /** Ends the connections. @throws what no gateway may send. */
  end(): void {
    for (const end of this.#ends) end();
    const faults = this.#speakers.flatMap((one) => one.faults);
    assert.deepEqual(faults, [], 'the gateway sent what it must not');
  }

  async #keep<T extends Speaker>(speaker: Promise<T>): Promise<T> {
    this.#speakers.push(await speaker);
    return speaker;
  }
}

/** Thrown by a rule that this gateway's settings make too slow to try. */
export class LeftOut extends Error {}

export interface Rule {
  /** The part of PROTOCOL.md, or the number of its rule. */
  readonly of: string;
  readonly says: string;
  /** What the tester must be able to do. */
  readonly needs?: 'admin' | 'stop';
  run(trial: Trial): Promise<void>;
}

/** A gateway acknowledges what a barrier has covered: 100 ms, a round trip, and room for a slow machine. */
export const ackMs = 2000;
/** Longest deadline or window a rule waits for. */
export const patienceMs = 12_000;

export const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
export const resumption = ({ welcome }: { welcome: Welcome }, received: number, token = welcome.token): Resumption => ({
  pipe: welcome.pipe,
  token,
  received,
});

/** Each of these must end the connection with 4400. */
export async function refusesAll(trial: Trial, wires: readonly string[], begin: boolean): Promise<void> {
  for (const wire of wires) {
    const speaker = begin ? await trial.begun() : await trial.greeted();
    speaker.sendWire(wire);
    assert.equal(await speaker.closeCode(), 4400, `after ${JSON.stringify(wire.slice(0, 60))}`);
  }
}

/** Sent by a fresh session and echoed, each of these comes back as it went. */
export async function echoes(trial: Trial, texts: readonly string[]): Promise<void> {
  const speaker = await trial.begun();
  for (const text of texts) speaker.send(text);
  await speaker.count(texts.length);
  assert.deepEqual(speaker.texts, texts);
  const wires = speaker.items.all.flatMap((item) => (item.kind === 'text' ? [item.wire] : []));
  assert.deepEqual(
    wires,
    texts.map((text) => (text.startsWith(mark) ? mark + text : text)),
  );
}

/** @returns null where the rule holds, what is wrong, or why it was left out. */
export async function tryRule(
  rule: Rule,
  rig: Rig,
): Promise<{ outcome: 'pass' | 'fail' | 'left out'; detail: string }> {
  if (rule.needs !== undefined && rig[rule.needs] === null) {
    return { outcome: 'left out', detail: rule.needs === 'admin' ? 'needs --admin and --token' : 'needs --pid' };
  }
  const trial = new Trial(rig);
  try {
    await rule.run(trial);
    trial.end();
    return { outcome: 'pass', detail: '' };
  } catch (error) {
    try {
      trial.end();
    } catch {}
    if (error instanceof LeftOut) return { outcome: 'left out', detail: error.message };
    return { outcome: 'fail', detail: error instanceof Error ? error.message : String(error) };
  }
}
