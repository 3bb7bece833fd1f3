/**
 * Many resumable clients that send numbered messages and write down what comes: every other one is the client library as pages have it,
 * the rest ResumingClient, which is written apart from it. The backends must `stamp` what they send; `judge` compares the two sides.
 */
import { WebSocket } from 'ws';
import { HoldfastSocket } from '../../src/client/index.ts';
import type { BackendProcess } from './backend-process.ts';
import { numberedText, readNumbered } from './numbered.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { ResumingClient } from './resuming-client.ts';
import { until } from './wait.ts';

export interface CrowdMember {
  readonly index: number;
  /** Messages it was given to send. */
  sent: number;
  /** What came, in order. */
  readonly texts: readonly string[];
  /** Reasons of the sessions that could not be resumed. */
  readonly resets: readonly string[];
  readonly isOpen: boolean;
  /** Sent, and not acknowledged. */
  readonly waiting: boolean;
  /** How often it came back to its session. */
  readonly resumes: number;
  /** It has given up, or was told to: why. */
  readonly ended: string | null;
  send(text: string): void;
}

export interface Judgement {
  readonly sent: number;
  /** Messages of clients that reached no backend. */
  readonly lostUp: readonly string[];
  /** Those that reached backends more than once. */
  readonly twiceUp: number;
  /** Those of them whose client has had no reset, after which it sends again what was not acknowledged. */
  readonly twiceForNothing: readonly string[];
  readonly received: number;
  /** Messages that came twice, or not in the order in which their backend sent them. */
  readonly wrongDown: readonly string[];
  /** Connections of a backend whose last messages never came, though no reset tells of it. */
  readonly unexplained: readonly string[];
  /** Messages that did not come, of sessions that were reset. */
  readonly lostDown: number;
}

const messageBytes = 128;
/** Clients wait for a gateway that was killed until it counts as gone. */
const patienceMs = 20_000;

export class Crowd {
  readonly members: readonly CrowdMember[];
  #timer: NodeJS.Timeout | null = null;

  constructor(t: OptionalOwner, url: string, size: number) {
    this.members = Array.from({ length: size }, (_, index) => {
      const own = `${url}?member=${index}`;
      return index % 2 === 0 ? libraryMember(t, own, index) : plainMember(t, own, index);
    });
    endWith(t, async () => this.stop());
  }

  get resets(): string[] {
    return this.members.flatMap(({ resets }) => [...resets]);
  }

  get resumes(): number {
    return this.members.reduce((sum, { resumes }) => sum + resumes, 0);
  }

  get sent(): number {
    return this.members.reduce((sum, { sent }) => sum + sent, 0);
  }

  get received(): number {
    return this.members.reduce((sum, { texts }) => sum + texts.length, 0);
  }

  async opened(timeoutMs = 30_000): Promise<void> {
    const closed = () =>
      this.members.filter(({ isOpen }) => !isOpen).map(({ index, ended }) => `${index} ${ended ?? ''}`);
    await until(() => this.members.every(({ isOpen }) => isOpen), {
      timeoutMs,
      what: () => `all clients to have a session; without one are ${closed()}`,
    });
  }

  /** Each member sends so many messages a second, spread evenly over all. */
  start(perSecond: number): void {
    const stepMs = 20;
    let due = 0;
    let next = 0;
    this.#timer = setInterval(() => {
      due += (this.members.length * perSecond * stepMs) / 1000;
      for (; due >= 1; due -= 1) {
        const member = this.members[next++ % this.members.length]!;
        member.sent += 1;
        member.send(numberedText(member.sent, messageBytes, `m${member.index}`));
      }
    }, stepMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Until every message sent so far is acknowledged. */
  async delivered(timeoutMs = 30_000): Promise<void> {
    const waiting = () => this.members.filter((member) => member.waiting).map(({ index }) => index);
    await until(() => waiting().length === 0, {
      timeoutMs,
      what: () => `all messages to be acknowledged; some of ${waiting()} are not`,
    });
  }

  /**
   * Until each member has one connection to a backend, and all that was sent on it. The backends must have been told to stop pushing.
   * What `judge` says of connections that are still open rests on it.
   */
  async settled(backends: readonly BackendProcess[], timeoutMs = 20_000): Promise<void> {
    let wrong: string[] = [];
    const look = async (): Promise<boolean> => {
      const streams = this.members.map((): string[] => []);
      for (const backend of backends)
        for (const { url, tag, connection, sent } of await backend.describe())
          streams[memberOf(url)]?.push(`${tag}/${connection}/${sent}|`);
      wrong = this.members.flatMap(({ index, texts }) => {
        const [stream, ...more] = streams[index]!;
        const whole = stream !== undefined && (texts.at(-1)?.startsWith(stream) || stream.endsWith('/0|'));
        return whole && more.length === 0
          ? []
          : [`client ${index} has ${texts.at(-1)?.slice(0, 20)} of ${streams[index]}`];
      });
      return wrong.length === 0;
    };
    await until(look, {
      timeoutMs,
      intervalMs: 100,
      what: () => `all that backends sent to arrive:\n${wrong.join('\n')}`,
    });
  }

  /** `backends` must have a tag each, and record. */
  judge(backends: readonly BackendProcess[]): Judgement {
    const upstream = this.#judgeUp(backends);
    const wrongDown: string[] = [];
    const last = new Map<string, number>();
    for (const member of this.members) {
      const finished = new Set<string>();
      let present = '';
      for (const text of member.texts) {
        const [, stream = '', n = ''] = /^(\w+\/\d+)\/(\d+)\|/.exec(text) ?? [];
        if (stream !== present) finished.add(present);
        if (finished.has(stream) || Number(n) !== (last.get(stream) ?? 0) + 1)
          wrongDown.push(`client ${member.index}: ${text.slice(0, 40)} after ${present}/${last.get(present)}`);
        last.set(stream, Number(n));
        present = stream;
      }
    }
    return { ...upstream, received: this.received, wrongDown, ...this.#judgeEnds(backends, last) };
  }

  #judgeUp(backends: readonly BackendProcess[]): Pick<Judgement, 'sent' | 'lostUp' | 'twiceUp' | 'twiceForNothing'> {
    const arrived = this.members.map(() => new Set<number>());
    let twiceUp = 0;
    const twiceForNothing: string[] = [];
    for (const text of backends.flatMap((backend) => backend.receivedTexts())) {
      const found = readNumbered(text);
      if (found === undefined) continue;
      const { prefix, n } = found;
      const member = Number(prefix.slice(1));
      if (arrived[member]!.has(n)) {
        twiceUp += 1;
        if (this.members[member]!.resets.length === 0) twiceForNothing.push(`${prefix}#${n}`);
      }
      arrived[member]!.add(n);
    }
    const lostUp: string[] = [];
    for (const { index, sent } of this.members)
      for (let n = 1; n <= sent; n += 1) if (!arrived[index]!.has(n)) lostUp.push(`m${index}#${n}`);
    return { sent: this.sent, lostUp, twiceUp, twiceForNothing };
  }

  /** Was everything received that a backend sent? One connection may end early for each session that was reset. */
  #judgeEnds(
    backends: readonly BackendProcess[],
    last: ReadonlyMap<string, number>,
  ): Pick<Judgement, 'unexplained' | 'lostDown'> {
    const excused = this.members.map(({ resets }) => resets.length);
    const unexplained: string[] = [];
    let lostDown = 0;
    for (const backend of backends) {
      for (const { connection, url, closed } of backend.received()) {
        const member = memberOf(url);
        const stream = `${backend.options.tag}/${connection}`;
        const missing = closed === undefined ? 0 : closed.sent - (last.get(stream) ?? 0);
        if (member === -1 || missing === 0) continue;
        lostDown += missing;
        excused[member]! -= 1;
        if (excused[member]! < 0) unexplained.push(`${stream} of client ${member}: ${missing}`);
      }
    }
    return { unexplained, lostDown };
  }
}

/** -1 = somebody else. */
function memberOf(url: string): number {
  return Number(/member=(\d+)/.exec(url)?.[1] ?? -1);
}

function plainMember(t: OptionalOwner, url: string, index: number): CrowdMember {
  const client = new ResumingClient(t, url, { pingMs: 5000, timeoutMs: patienceMs });
  return {
    index,
    sent: 0,
    texts: client.texts,
    get resets() {
      return client.lost.map(({ reason }) => reason);
    },
    get isOpen() {
      return client.isOpen;
    },
    get waiting() {
      return client.unacknowledged > 0;
    },
    get resumes() {
      return client.resumes;
    },
    get ended() {
      // It would come back whatever it is told: these are the codes after which a client need not.
      const codes = client.codes.filter((code) => ![1001, 1006, 1012, 1013].includes(code));
      return codes.length === 0 ? null : `closed with ${codes}`;
    },
    send: (text) => client.send(text),
  };
}

function libraryMember(t: OptionalOwner, url: string, index: number): CrowdMember {
  const socket = new HoldfastSocket(url, [], { WebSocket, connectTimeoutMs: patienceMs });
  const texts: string[] = [];
  const resets: string[] = [];
  let resumes = 0;
  let ended: string | null = null;
  socket.addEventListener('message', ({ data }) => texts.push(String(data)));
  socket.addEventListener('reset', ({ detail }) => resets.push(detail.reason));
  socket.addEventListener('resumed', () => {
    resumes += 1;
  });
  socket.addEventListener('close', ({ code, reason }) => {
    ended = `${socket.state.state} with ${code} ${reason}`;
  });
  endWith(t, async () => socket.close());
  return {
    index,
    sent: 0,
    texts,
    resets,
    get isOpen() {
      return socket.state.state === 'open';
    },
    get waiting() {
      return socket.bufferedAmount > 0;
    },
    get resumes() {
      return resumes;
    },
    get ended() {
      return ended;
    },
    send: (text) => {
      if (!socket.send(text)) ended = 'a message was not taken';
    },
  };
}
