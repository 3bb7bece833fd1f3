/**
 * One pipe between a fake client and fake backends on a fake clock, and what must hold of it whatever happens. All that is
 * expected comes from what the fake ends wrote down, not from the pipe.
 */
import assert from 'node:assert/strict';
import type { HoldfastOptions } from '../../src/options.ts';
import { PersistentPipe, type PipeHost } from '../../src/pipe/persistent-pipe.ts';
import type { BackendPool } from '../../src/pool/backend-pool.ts';
import { FakeClient } from './fake-client.ts';
import { FakeStage, fakeRequest, readBytes } from './fake-stage.ts';

const listeners = [
  'linkMessages',
  'linkPending',
  'linkPing',
  'linkPong',
  'linkJsonHeartbeat',
  'linkDrained',
  'linkViolated',
  'linkClosed',
  'linkEnded',
] as const;

export class FakeWorld extends FakeStage {
  readonly client = new FakeClient();
  readonly pool: BackendPool;
  readonly budget: PipeHost['budget'];
  readonly pipe: PersistentPipe;
  readonly #host: PipeHost;

  constructor(options: HoldfastOptions, backends: number) {
    super(options, backends);
    this.#host = this.makeHost(() => this.pipe);
    this.pool = this.#host.pool;
    this.budget = this.#host.budget;
    this.pipe = new PersistentPipe(this.#host, 'p', fakeRequest);
    this.pool.onRemoved = (backend) => {
      if (this.pipe.backend?.backend === backend) this.pipe.interrupt('removed');
    };
    this.#catchErrors();
    void this.pipe.connect(this.options.failover.handshakeWaitMs).then((answer) => {
      if (answer.kind === 'attached' || answer.kind === 'waiting') this.pipe.attachClient(this.client.socket, '');
    });
  }

  override heal(): void {
    super.heal();
    this.client.socket.peerReads(true);
  }

  /** What must hold at every moment. */
  check(): void {
    const { pipe, client } = this;
    const { journal } = pipe.upstream;
    this.checkProblems(client);

    // Bounds: what is kept stays below the bound and one read.
    const { maxBytesPerPipe, maxDownstreamBytes, maxMessageBytes } = this.limits;
    // Behind our Close a client may still finish its message, which nobody takes.
    const unwanted = pipe.state === 'closing' ? maxMessageBytes : 0;
    const kept = pipe.tenant.heldBytes;
    assert.ok(kept <= maxBytesPerPipe + readBytes + unwanted, `${kept} bytes are kept`);
    if (this.closed === null) assert.equal(this.budget.usedBytes, kept);
    // Only whole messages go out: one may come on top, and the run it stands in.
    const toClient = pipe.client?.link.bufferedBytes ?? 0;
    const most = maxDownstreamBytes + maxMessageBytes + readBytes;
    assert.ok(toClient <= most, `${toClient} bytes wait for the client`);

    this.checkAcknowledged(journal.acknowledged, 'acknowledged');
    assert.equal(journal.received, pipe.clientSide.messages);
    assert.ok(pipe.clientSide.messages <= client.whole, 'a message before its last byte came');
    this.checkUp();
    this.checkDown(client.received);
  }

  /** What must hold when the pipe is closed and nothing is under way. */
  checkEnd(): void {
    const { closed, pipe, network, client } = this;
    this.check();
    assert.equal(pipe.state, 'closed');
    assert.ok(closed !== null, 'no pipe.closed');
    assert.equal(this.wheel.size, 0, 'timers left');
    this.checkLeft(this.#host);

    const taken = pipe.clientSide.messages;
    if (closed.initiator === 'client' && closed.reason === 'closed') {
      assert.equal(taken, client.whole, 'the client sent all of it before its Close');
    }
    const got = new Set(network.links.flatMap((link) => link.received));
    const delivered = taken - closed.undelivered;
    if (this.atMostOnce || this.unacknowledging) return;
    for (let n = 1; n <= delivered; n += 1) assert.ok(got.has(n), `message ${n} of ${taken} reached no backend`);
    assert.ok(delivered <= this.confirmed);
  }

  protected override checkUp(): void {
    super.checkUp();
    if (this.atMostOnce || this.unacknowledging) return;
    // The replay that was announced is what an earlier link had been given from the first message on.
    let givenTo = 0;
    for (const link of this.network.links) {
      const first = link.received[0];
      if (first !== undefined) {
        assert.equal(link.replay, Math.max(0, givenTo - first + 1), `link ${link.id}: announced replay`);
        givenTo = Math.max(givenTo, first + link.given - 1);
      } else if (link.given > 0) {
        // Given, but never received: it began where the first not acknowledged stood, which its announcement tells.
        givenTo = Math.max(givenTo, givenTo - link.replay + link.given);
      }
    }
  }

  /** What is thrown where a link tells something belongs to this run. */
  #catchErrors(): void {
    for (const side of [this.pipe.clientSide, this.pipe.backendSide.links]) {
      for (const name of listeners) {
        const method = side[name] as (...args: unknown[]) => unknown;
        Reflect.set(side, name, (...args: unknown[]) => {
          try {
            return Reflect.apply(method, side, args);
          } catch (error) {
            this.problems.push(error);
            return false;
          }
        });
      }
    }
  }
}
