/**
 * One resumable session (holdfast.v1) between a client whose connections break at any byte and fake backends, on a fake clock. There are two
 * gateways that hand it over to each other where the client comes to the other one. All that is expected comes from what the ends wrote down.
 */
import assert from 'node:assert/strict';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { LimitTally } from '../../src/limits/limit-tally.ts';
import { EventStream, type HoldfastEvent } from '../../src/observe/events.ts';
import { type HoldfastOptions, resolveOptions } from '../../src/options.ts';
import type { ClientRequest } from '../../src/pipe/client-request.ts';
import { Greeting, type GreetingHost, type ResumeAnswer } from '../../src/pipe/greeting.ts';
import type { HandedOver } from '../../src/pipe/hand-over.ts';
import { MemoryBudget } from '../../src/pipe/memory-budget.ts';
import { PersistentPipe, type PipeHost } from '../../src/pipe/persistent-pipe.ts';
import type { ResumeBinding } from '../../src/pipe/resume-session.ts';
import { BackendPool } from '../../src/pool/backend-pool.ts';
import type { ResumeRequest } from '../../src/wire/resume.ts';
import { FakeClock } from './fake-clock.ts';
import {
  FakeNetwork,
  FakeSocket,
  type Marked,
  messageFrames,
  type Peer,
  payloadOf,
  readPayload,
  settle,
} from './fake-wire.ts';
import { closePayload, encodeFrame, FrameDecoder, opcodes, parseClose } from './frame-codec.ts';

const mark = 0x1e;
const readBytes = 65_536;
/** First byte of the client's messages: half of its texts begin with U+001E. */
const sources = [0, mark * 2 ** 24];
const stepMs = 50;

export interface MakeMessage {
  readonly bytes: number;
  readonly text: boolean;
  readonly parts: number;
}

interface Kept extends MakeMessage {
  readonly n: number;
}

/** The client: what it keeps and counts over all of its connections (PROTOCOL.md, rules 1 to 4). */
export class FakeResumableClient {
  connection: FakeConnection | null = null;
  pipe = '';
  token = '';
  /** Application messages that came, in order. */
  readonly received: Marked[] = [];
  made = 0;
  /** Messages whose last byte has left over some connection. */
  whole = 0;
  /** Told by acks and welcomes. */
  acknowledged = 0;
  /** Told by the welcome. */
  maxBufferBytes = 0;
  resumes = 0;
  closed = false;
  /** Codes of the Closes that came. */
  readonly codes: number[] = [];
  problem: unknown = null;
  kept: Kept[] = [];

  /** Takes no more than it may keep. */
  make(message: MakeMessage): void {
    const bytes = this.kept.reduce((sum, one) => sum + one.bytes, message.bytes);
    if (bytes > this.maxBufferBytes) return;
    this.made += 1;
    const kept = { ...message, n: this.made };
    this.kept.push(kept);
    if (this.connection?.welcomed) this.connection.post(kept);
  }

  ack(): void {
    if (this.connection?.welcomed) this.connection.control({ type: 'ack', received: this.received.length });
  }
}

/** One connection of it. */
export class FakeConnection implements Peer {
  readonly socket: FakeSocket;
  welcomed = false;
  /** Bytes it takes before it breaks; null = it lives. */
  breaksAfter: number | null = null;
  readonly #client: FakeResumableClient;
  readonly #decoder = new FrameDecoder();
  #parts: Buffer[] = [];
  #opcode = 0;
  #outbox: Buffer = Buffer.alloc(0);
  #left = 0;
  #queued = 0;
  readonly #ends: { readonly at: number; readonly n: number }[] = [];

  constructor(client: FakeResumableClient) {
    this.#client = client;
    this.socket = new FakeSocket(this);
  }

  get present(): boolean {
    return this.#client.connection === this;
  }

  /** Lets bytes that wait leave. */
  release(bytes = this.#outbox.length, chunk = readBytes): void {
    if (!this.present) return;
    const out = this.#outbox.subarray(0, bytes);
    this.#outbox = this.#outbox.subarray(out.length);
    this.#left += out.length;
    for (let at = 0; at < out.length; at += chunk) this.socket.deliver(out.subarray(at, at + chunk));
    for (let next = this.#ends[0]; next !== undefined && next.at <= this.#left; next = this.#ends[0]) {
      this.#client.whole = Math.max(this.#client.whole, next.n);
      this.#ends.shift();
    }
  }

  /** reset and fin: both ends know. forgotten: the gateway does not, and what it sends goes nowhere. */
  cut(how: 'reset' | 'fin' | 'forgotten'): void {
    if (this.present) this.#client.connection = null;
    if (how === 'reset') this.socket.reset();
    else if (how === 'fin') this.socket.deliverFin();
    else this.socket.peerReads(false);
  }

  control(message: object): void {
    const payload = `\u001e${JSON.stringify(message)}`;
    this.#queue(encodeFrame({ opcode: 'text', payload, mask: Buffer.from([9, 8, 7, 6]) }));
  }

  close(code: number): void {
    this.#client.closed = true;
    this.#queue(encodeFrame({ opcode: 'close', payload: closePayload(code), mask: true }));
    this.release();
  }

  post({ n, bytes, text, parts }: Kept): void {
    const plain = payloadOf(sources[n % 2]!, n, bytes);
    const payload = text && plain[0] === mark ? Buffer.concat([Buffer.of(mark), plain]) : plain;
    this.#queue(Buffer.concat(messageFrames(payload, { masked: true, text, parts })));
    this.#ends.push({ at: this.#queued, n });
  }

  bytes(chunk: Buffer): void {
    if (!this.present) return;
    try {
      if (this.breaksAfter === null || chunk.length < this.breaksAfter) {
        if (this.breaksAfter !== null) this.breaksAfter -= chunk.length;
        this.#read(chunk);
        return;
      }
      this.#read(chunk.subarray(0, this.breaksAfter));
      if (this.present) this.cut('reset');
    } catch (error) {
      this.#client.problem ??= error;
    }
  }

  fin(): void {
    if (!this.socket.destroyed) this.socket.deliverFin();
    this.gone();
  }

  gone(): void {
    if (this.present) this.#client.connection = null;
  }

  #queue(frames: Buffer): void {
    this.#outbox = Buffer.concat([this.#outbox, frames]);
    this.#queued += frames.length;
  }

  #read(chunk: Buffer): void {
    for (const frame of this.#decoder.push(chunk)) {
      if (frame.masked || frame.rsv !== 0) throw new Error('a frame with a mask or reserved bits');
      if (frame.opcode === opcodes.ping) {
        this.#queue(encodeFrame({ opcode: 'pong', payload: frame.payload, mask: true }));
        this.release();
      } else if (frame.opcode === opcodes.close) {
        this.#client.codes.push(parseClose(frame.payload).code);
        if (this.present) this.#client.connection = null;
        this.socket.deliver(encodeFrame({ opcode: 'close', payload: frame.payload, mask: true }));
        this.socket.deliverFin();
        return;
      } else if (frame.opcode < 8) {
        if ((frame.opcode === 0) !== this.#parts.length > 0) throw new Error('a fragment out of place');
        if (this.#parts.length === 0) this.#opcode = frame.opcode;
        this.#parts.push(frame.payload);
        if (!frame.fin) continue;
        const payload = Buffer.concat(this.#parts);
        this.#parts = [];
        this.#message(payload);
        if (!this.present) return;
      }
    }
  }

  #message(payload: Buffer): void {
    const client = this.#client;
    const isRecord = this.#opcode === opcodes.text && payload[0] === mark && payload[1] !== mark;
    if (!isRecord) {
      if (!this.welcomed) throw new Error('a message before the welcome');
      const escaped = this.#opcode === opcodes.text && payload[0] === mark;
      client.received.push(readPayload(escaped ? payload.subarray(1) : payload));
      return;
    }
    const record = JSON.parse(payload.toString('utf8', 1)) as Record<string, unknown>;
    if (record['type'] === 'hello') {
      const { pipe, token, received } = client;
      this.control({ type: 'start', resume: token === '' ? null : { pipe, token, received: received.length } });
    } else if (record['type'] === 'welcome') {
      this.#welcome(record);
    } else if (record['type'] === 'ack') {
      this.#acknowledge(Number(record['received']));
    }
  }

  #welcome(welcome: Record<string, unknown>): void {
    const client = this.#client;
    const received = Number(welcome['received']);
    if (client.token !== '') {
      assert.equal(welcome['resumed'], true, 'the session was lost');
      client.resumes += 1;
    }
    assert.ok(received <= client.whole, `the gateway has ${received} messages of ${client.whole}`);
    assert.ok(received >= client.acknowledged, 'the gateway lost what it acknowledged');
    client.pipe = String(welcome['pipe']);
    client.token = String(welcome['token']);
    client.maxBufferBytes = Number(welcome['maxBufferBytes']);
    this.welcomed = true;
    for (const one of client.kept) if (one.n > received) this.post(one);
  }

  #acknowledge(received: number): void {
    const client = this.#client;
    assert.ok(received <= client.whole, `an ack of ${received}, sent were ${client.whole}`);
    assert.ok(received >= client.acknowledged, `an ack of ${received} after ${client.acknowledged}`);
    client.acknowledged = received;
    client.kept = client.kept.filter(({ n }) => n > received);
  }
}

const request = {
  clientId: 'c',
  clientIdGiven: true,
  clientIp: '127.0.0.1',
  principal: null,
  origin: '',
  suffix: '',
  query: '',
  protocols: [],
  headers: {},
};

/** What a hand-over takes along at most; more than any test lets a backend send. */
const maxHandOverBytes = 64 * 1024 * 1024;

/** One of the gateways. */
class FakeGateway {
  readonly pool: BackendPool;
  readonly budget: MemoryBudget;
  readonly host: PipeHost;
  readonly greeting: GreetingHost;

  constructor(world: FakeResumeWorld) {
    const { options, wheel, stream: events, network } = world;
    const tally = new LimitTally(
      () => wheel.now(),
      () => {},
    );
    this.pool = new BackendPool({
      options: options.pool,
      events,
      now: () => wheel.now(),
      random: () => 0.5,
      wallClock: () => 0,
      onError: network.onError,
    });
    this.budget = new MemoryBudget(options.buffer.maxTotalBytes, () =>
      world.pipe !== null && world.gateway === this ? [world.pipe.tenant] : [],
    );
    for (const backend of network.backends) this.pool.register({ id: backend.id, url: backend.url });
    this.host = {
      options,
      events,
      pool: this.pool,
      wheel,
      budget: this.budget,
      tally,
      limits: options.buffer,
      backoff: options.hooks.backoff!,
      dial: network.dial,
      heartbeat: () => options.heartbeat,
      pipeHeld: () => {},
      pipeLeft: () => {},
      pipeClosed: () => {},
    };
    this.greeting = {
      options,
      wheel,
      events,
      tally,
      admit: (one) => world.admit(this, one),
      connect: (pipe, prefer) => pipe.connect(options.failover.handshakeWaitMs, prefer),
      resumable: (resume, binding, found) => world.resumable(this, resume, binding, found),
      greeted: () => {},
      refused: () => {},
    };
  }
}

export class FakeResumeWorld {
  readonly clock = new FakeClock(0);
  readonly client = new FakeResumableClient();
  readonly network: FakeNetwork;
  readonly events: { readonly name: string; readonly event: unknown }[] = [];
  readonly problems: unknown[] = [];
  readonly stream: EventStream;
  readonly options;
  readonly wheel: TimerWheel;
  readonly gateways: readonly FakeGateway[];
  readonly atMostOnce: boolean;
  /** Who holds the pipe, or held it last. */
  gateway: FakeGateway;
  pipe: PersistentPipe | null = null;
  /** A pipe that nobody holds. */
  parked: HandedOver | null = null;
  handOvers = 0;
  #parking: Promise<void> | null = null;
  /** Messages of the session before the pipe came to its gateway, and bytes that came along. */
  #before = { up: 0, down: 0, bytes: 0 };
  closed: HoldfastEvent<'pipe.closed'> | null = null;
  unacknowledging = false;
  /** The most the journal toward the client has held, bytes. */
  mostHeld = 0;

  constructor(options: HoldfastOptions, backends: number) {
    this.network = new FakeNetwork(this.clock, backends);
    this.options = resolveOptions({ ...options, backoff: (attempt) => Math.min(2000, 50 * 2 ** (attempt - 1)) });
    this.atMostOnce = this.options.delivery === 'at-most-once';
    const onError = (error: unknown) => this.problems.push(error);
    const events = new EventStream(onError);
    this.stream = events;
    this.wheel = new TimerWheel({ clock: this.clock, onError });
    this.network.onError = onError;
    this.gateways = [new FakeGateway(this), new FakeGateway(this)];
    this.gateway = this.gateways[0]!;
    events.tap((name, event) => this.events.push({ name, event }));
    events.on('pipe.closed', (event) => {
      if (event.reason !== 'moved') this.closed = event;
    });
    events.on('backend.unacknowledging', () => {
      this.unacknowledging = true;
    });
  }

  get pool(): BackendPool {
    return this.gateway.pool;
  }
  get budget(): MemoryBudget {
    return this.gateway.budget;
  }

  /** The client opens a connection, to the gateway that holds its pipe or to the other one; `start` waits to leave once hello has come. */
  connect(elsewhere = false): void {
    if (this.client.closed) return;
    this.client.connection?.cut('forgotten');
    const connection = new FakeConnection(this.client);
    this.client.connection = connection;
    const to = this.gateways.find((one) => (one === this.gateway) !== elsewhere)!;
    new Greeting(to.greeting, connection.socket, request);
  }

  admit(at: FakeGateway, one: ClientRequest): PersistentPipe {
    if (this.pipe !== null) this.problems.push(new Error('a second session'));
    this.gateway = at;
    this.pipe = new PersistentPipe(at.host, 'p', one);
    return this.pipe;
  }

  resumable(
    at: FakeGateway,
    resume: ResumeRequest,
    binding: ResumeBinding,
    found: (answer: ResumeAnswer) => void,
  ): void {
    if (this.gateway === at && this.parked === null && this.#parking === null) found(this.#judge(resume, binding));
    else void this.#fetch(at, () => found(this.#judge(resume, binding)));
  }

  /** The gateway hands the pipe over; nobody has it then. */
  park(code = 1012): Promise<void> {
    this.#parking ??= this.#park(code).finally(() => {
      this.#parking = null;
    });
    return this.#parking;
  }

  async #park(code: number): Promise<void> {
    const { pipe } = this;
    if (this.parked !== null || pipe === null) return;
    this.parked = await pipe.handOver({ code, text: 'moved', maxBytes: maxHandOverBytes });
    if (this.parked === null) return;
    this.handOvers += 1;
    assert.equal(pipe.state, 'closed');
    assert.equal(this.budget.usedBytes, 0, 'bytes left in the budget of the gateway that had it');
    const { connections, dialing } = this.#leases();
    assert.deepEqual([connections, dialing], [0, 0], 'leases left at the gateway that had it');
  }

  async #fetch(at: FakeGateway, done: () => void): Promise<void> {
    try {
      while (this.parked === null && (this.gateway !== at || this.#parking !== null)) {
        // The client closed it, which is its right.
        if (this.#parking === null && (this.pipe?.state === 'closing' || this.pipe?.state === 'closed')) break;
        await this.park(4408);
      }
      const state = this.parked;
      if (state !== null) {
        this.parked = null;
        const bytes = state.downstream.runs.reduce((sum, { run }) => sum + run.length, 0);
        const kept = state.downstream.runs.reduce((sum, { messages }) => sum + messages, 0);
        this.#before = { up: state.upstream.acknowledged, down: state.downstream.acknowledged + kept, bytes };
        this.gateway = at;
        this.pipe = PersistentPipe.adopt(at.host, copied(state), request);
        this.pipe.goOn();
      }
      done();
    } catch (error) {
      this.problems.push(error);
    }
  }

  #judge({ pipe: id, token, received }: ResumeRequest, binding: ResumeBinding): ResumeAnswer {
    const { pipe } = this;
    const fits = pipe?.id === id && pipe.session?.mayResume(token, binding) && pipe.canResume(received);
    return fits ? { pipe } : { pipe: null, reason: 'unknown', prefer: null };
  }

  #leases(): { connections: number; dialing: number } {
    const sums = { connections: 0, dialing: 0 };
    for (const backend of this.pool.list()) {
      sums.connections += backend.connections;
      sums.dialing += backend.dialing;
    }
    return sums;
  }

  /** A connection, until its welcome has come if nothing breaks it. */
  async comeBack(): Promise<void> {
    if (this.client.connection === null) this.connect();
    await settle();
    this.client.connection?.release();
    await settle();
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.advance(Math.min(left, stepMs));
      for (const { pool } of this.gateways) pool.tick();
      await settle();
    }
  }

  heal(): void {
    for (const backend of this.network.backends) {
      backend.dialMode = 'accept';
      backend.pongMs = 0;
      backend.nextFailure = null;
    }
    for (const link of this.network.links) {
      link.failure = null;
      link.thaw();
    }
    const { connection } = this.client;
    if (connection !== null) connection.breaksAfter = null;
    connection?.socket.peerReads(true);
  }

  history(): string {
    return this.events
      .filter(({ name }) => !name.startsWith('heartbeat.p'))
      .map(({ name, event }) => `${name} ${JSON.stringify(event)}`)
      .join('\n');
  }

  /** What must hold at every moment. */
  check(): void {
    const { pipe, client, network } = this;
    if (this.problems.length > 0) throw this.problems[0];
    for (const end of [client, ...network.links]) if (end.problem !== null) throw end.problem;
    const wrong = client.codes.filter(
      (code) => !client.closed && code !== 4408 && code !== 1012 && !(code === 4400 && client.connection === null),
    );
    assert.deepEqual(wrong, [], 'the gateway closed');
    if (pipe === null) return;
    const { journal } = pipe.upstream;
    const { maxBytesPerPipe, maxDownstreamBytes } = this.options.buffer;

    const held = pipe.downstream.journal?.bytes ?? 0;
    this.mostHeld = Math.max(this.mostHeld, held);
    // Only whole messages go out: one may come on top, and the run it stands in.
    const most = maxDownstreamBytes + this.options.maxMessageBytes + readBytes;
    // While it is handed over its backend is read to the end, and all that was kept is kept on.
    if (pipe.state !== 'moving')
      assert.ok(held <= Math.max(most, this.#before.bytes), `${held} bytes are kept for the client`);
    const kept = pipe.tenant.heldBytes;
    // While the client owes acks it is read further, or neither end would be read.
    assert.ok(kept <= 2 * maxBytesPerPipe + readBytes, `${kept} bytes of the client are kept`);
    if (this.closed === null) assert.equal(this.budget.usedBytes, kept);

    assert.ok(journal.received <= client.whole, 'a message before its last byte came');
    assert.equal(journal.received, this.#before.up + pipe.clientSide.messages);
    if (!this.atMostOnce && !this.unacknowledging) {
      const confirmed = Math.max(0, ...network.links.map((link) => link.confirmed));
      assert.ok(journal.acknowledged <= confirmed, `${journal.acknowledged} acknowledged, ${confirmed} confirmed`);
      assert.ok(client.acknowledged <= confirmed, `${client.acknowledged} told, ${confirmed} confirmed`);
    }
    this.#checkUp();
    this.#checkDown();
  }

  /** All works again and the client is there: nothing may be missing. */
  checkWhole(): void {
    const { pipe, client, network } = this;
    this.check();
    assert.ok(pipe !== null && pipe.state === 'open', `the pipe is ${pipe?.state}`);
    assert.equal(pipe.upstream.journal.received, client.made, 'messages of the client that the gateway has');
    assert.equal(client.received.length, this.#before.down + pipe.downstream.messages, 'messages that came down');
    const last = network.links.at(-1)!;
    if (last.state === 'up') {
      const fromLast = client.received.filter(({ source }) => source === last.id).length;
      assert.equal(fromLast, last.sent, 'messages of the present backend');
    }
    assert.equal(pipe.downstream.journal?.bytes, 0, 'bytes kept for the client');
    if (this.unacknowledging) return;
    assert.equal(pipe.upstream.journal.messages, 0, 'messages not acknowledged');
    assert.deepEqual(client.kept, [], 'messages the client still keeps');
    if (this.atMostOnce) return;
    const got = new Set(network.links.flatMap((link) => link.received));
    for (let n = 1; n <= client.made; n += 1) assert.ok(got.has(n), `message ${n} reached no backend`);
  }

  /** The client has closed and nothing is under way. */
  checkEnd(): void {
    this.check();
    assert.equal(this.pipe?.state, 'closed');
    assert.ok(this.closed !== null, 'no pipe.closed');
    assert.equal(this.budget.usedBytes, 0, 'bytes left in the budget');
    assert.equal(this.wheel.size, 0, 'timers left');
    const { connections, dialing } = this.#leases();
    assert.deepEqual([connections, dialing], [0, 0], 'leases left');
  }

  /** Toward the backends: in order on each link; what comes twice was announced as a replay, so nothing is twice by the client's hop. */
  #checkUp(): void {
    let highest = 0;
    const before = new Set<number>();
    for (const { id, received, replay } of this.network.links) {
      const first = received[0];
      if (first === undefined) continue;
      for (let at = 1; at < received.length; at += 1) {
        assert.equal(received[at], received[at - 1]! + 1, `link ${id}: order`);
      }
      const twice = received.filter((n) => before.has(n));
      if (this.atMostOnce) assert.deepEqual(twice, [], `link ${id}: twice`);
      else
        assert.ok(
          twice.every((n) => n < first + replay),
          `link ${id}: ${twice} came twice, announced ${replay}`,
        );
      if (!this.atMostOnce && !this.unacknowledging)
        assert.ok(first <= highest + 1, `link ${id}: ${first} after ${highest}`);
      for (const n of received) before.add(n);
      highest = Math.max(highest, received.at(-1)!);
    }
  }

  /** Toward the client: of each backend link all up to some message, in order, once, one link after the other. */
  #checkDown(): void {
    let source = 0;
    let n = 0;
    for (const one of this.client.received) {
      if (one.source !== source) {
        assert.ok(one.source > source, `link ${one.source} after ${source}`);
        source = one.source;
        n = 0;
      }
      n += 1;
      assert.equal(one.n, n, `of link ${source}`);
      assert.ok(n <= this.network.links[source - 1]!.sent);
    }
  }
}

/** As it is after a way through a store: nothing refers to what was. */
function copied(state: HandedOver): HandedOver {
  const runs = state.downstream.runs.map(({ run, messages }) => ({ run: Buffer.from(run), messages }));
  return { ...state, downstream: { ...state.downstream, runs } };
}
