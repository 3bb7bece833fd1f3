/**
 * One resumable session (holdfast.v1) between a client whose connections break at any byte and fake backends, on a fake clock. There are two
 * gateways that hand it over to each other where the client comes to the other one. All that is expected comes from what the ends wrote down.
 */
import assert from 'node:assert/strict';
import type { HoldfastOptions } from '../../src/options.ts';
import type { ClientRequest } from '../../src/pipe/client-request.ts';
import { Greeting, type GreetingHost, type ResumeAnswer } from '../../src/pipe/greeting.ts';
import type { HandedOver } from '../../src/pipe/hand-over.ts';
import { PersistentPipe, type PipeHost } from '../../src/pipe/persistent-pipe.ts';
import { hashToken, type ResumeBinding } from '../../src/pipe/resume-session.ts';
import type { BackendPool } from '../../src/pool/backend-pool.ts';
import type { ResumeRequest } from '../../src/wire/resume.ts';
import { FakeConnection, FakeResumableClient } from './fake-resumable-client.ts';
import { settle } from './fake-socket.ts';
import { FakeStage, fakeRequest, readBytes } from './fake-stage.ts';

/** What a hand-over takes along at most; more than any test lets a backend send. */
const maxHandOverBytes = 64 * 1024 * 1024;

/** One of the gateways. */
class FakeGateway {
  readonly host: PipeHost;
  readonly greeting: Omit<GreetingHost, 'admit'>;

  constructor(world: FakeResumeWorld) {
    const { options } = world;
    this.host = world.makeHost(() => (world.gateway === this ? world.pipe : null));
    this.greeting = {
      ...this.host,
      connect: (pipe, prefer) => pipe.connect(options.failover.handshakeWaitMs, prefer),
      resumable: (resume, binding, found) => world.resumable(this, resume, binding, found),
      greeted: () => {},
      refused: () => {},
    };
  }
}

export class FakeResumeWorld extends FakeStage {
  readonly client = new FakeResumableClient();
  readonly gateways: readonly FakeGateway[];
  /** Who holds the pipe, or held it last. */
  gateway: FakeGateway;
  pipe: PersistentPipe | null = null;
  /** A pipe that nobody holds. */
  parked: HandedOver | null = null;
  handOvers = 0;
  #parking: Promise<void> | null = null;
  /** Messages of the session before the pipe came to its gateway, and bytes that came along. */
  #before = { up: 0, down: 0, bytes: 0 };
  /** The most the journal toward the client has held, bytes. */
  mostHeld = 0;

  constructor(options: HoldfastOptions, backends: number) {
    super(options, backends);
    this.gateways = [new FakeGateway(this), new FakeGateway(this)];
    this.gateway = this.gateways[0]!;
  }

  get pool(): BackendPool {
    return this.gateway.host.pool;
  }
  get budget(): PipeHost['budget'] {
    return this.gateway.host.budget;
  }

  /** The client opens a connection, to the gateway that holds its pipe or to the other one; `start` waits to leave once hello has come. */
  connect(elsewhere = false): void {
    if (this.client.closed) return;
    this.client.connection?.cut('forgotten');
    const connection = new FakeConnection(this.client);
    this.client.connection = connection;
    const to = this.gateways.find((one) => (one === this.gateway) !== elsewhere)!;
    const greeting = { ...to.greeting, admit: (one: ClientRequest) => this.admit(to, one, connection) };
    new Greeting(greeting, connection.socket, fakeRequest);
  }

  admit(at: FakeGateway, one: ClientRequest, connection: FakeConnection): PersistentPipe {
    if (this.pipe !== null) {
      if (connection.present) this.problems.push(new Error('a second session'));
      throw new Error('the client id is in use');
    }
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
    else void this.#fetch(at, resume, binding, found);
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
    this.checkLeft(this.gateway.host);
  }

  async #fetch(
    at: FakeGateway,
    resume: ResumeRequest,
    binding: ResumeBinding,
    found: (answer: ResumeAnswer) => void,
  ): Promise<void> {
    try {
      while (this.parked === null && (this.gateway !== at || this.#parking !== null)) {
        // The client closed it, which is its right.
        if (this.#parking === null && (this.pipe?.state === 'closing' || this.pipe?.state === 'closed')) break;
        const { reason } = { reason: null, ...this.#judge(resume, binding) };
        if (reason === 'superseded') break;
        await this.park(4408);
      }
      const state = this.parked;
      if (state !== null) {
        this.parked = null;
        const bytes = state.downstream.runs.reduce((sum, { run }) => sum + run.length, 0);
        const kept = state.downstream.runs.reduce((sum, { messages }) => sum + messages, 0);
        this.#before = { up: state.upstream.acknowledged, down: state.downstream.acknowledged + kept, bytes };
        this.gateway = at;
        this.pipe = PersistentPipe.adopt(at.host, copied(state), fakeRequest);
        this.pipe.goOn();
      }
      found(this.#judge(resume, binding));
    } catch (error) {
      this.problems.push(error);
    }
  }

  #judge({ pipe: id, token, attempt, received }: ResumeRequest, binding: ResumeBinding): ResumeAnswer {
    const { pipe } = this;
    const refusal = pipe?.session?.refusal(hashToken(token), attempt, binding) ?? null;
    if (refusal === 'superseded') return { pipe: null, reason: refusal };
    const fits = pipe?.id === id && refusal === null && pipe.canResume(received);
    return fits ? { pipe } : { pipe: null, reason: 'unknown', prefer: null };
  }

  /** A connection, until its welcome has come if nothing breaks it. */
  async comeBack(): Promise<void> {
    if (this.client.connection === null) this.connect();
    await settle();
    this.client.connection?.release();
    await settle();
  }

  override heal(): void {
    super.heal();
    const { connection } = this.client;
    if (connection !== null) connection.breaksAfter = null;
    connection?.socket.peerReads(true);
  }

  /** What must hold at every moment. */
  check(): void {
    const { pipe, client } = this;
    this.checkProblems(client);
    const wrong = client.codes.filter((code) => !client.closed && code !== 4408 && code !== 1012);
    assert.deepEqual(wrong, [], 'the gateway closed');
    if (pipe === null) return;
    const { journal } = pipe.upstream;
    const { maxBytesPerPipe, maxDownstreamBytes, maxMessageBytes } = this.limits;

    const held = pipe.downstream.journal?.bytes ?? 0;
    this.mostHeld = Math.max(this.mostHeld, held);
    // Only whole messages go out: one may come on top, and the run it stands in.
    const most = maxDownstreamBytes + maxMessageBytes + readBytes;
    // While it is handed over its backend is read to the end, and all that was kept is kept on.
    if (pipe.state !== 'moving')
      assert.ok(held <= Math.max(most, this.#before.bytes), `${held} bytes are kept for the client`);
    const kept = pipe.tenant.heldBytes;
    // While the client owes acks it is read further, or neither end would be read.
    assert.ok(kept <= 2 * maxBytesPerPipe + readBytes, `${kept} bytes of the client are kept`);
    if (this.closed === null) assert.equal(this.budget.usedBytes, kept);

    assert.ok(journal.received <= client.whole, 'a message before its last byte came');
    assert.equal(journal.received, this.#before.up + pipe.clientSide.messages);
    this.checkAcknowledged(journal.acknowledged, 'acknowledged');
    this.checkAcknowledged(client.acknowledged, 'told');
    this.checkUp();
    this.checkDown(client.received);
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
    assert.equal(this.wheel.size, 0, 'timers left');
    this.checkLeft(this.gateway.host);
  }
}

/** As it is after a way through a store: nothing refers to what was. */
function copied(state: HandedOver): HandedOver {
  const runs = state.downstream.runs.map(({ run, messages }) => ({ run: Buffer.from(run), messages }));
  return { ...state, downstream: { ...state.downstream, runs } };
}
