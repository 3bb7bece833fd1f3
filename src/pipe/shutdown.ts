/** The end of a gateway: every client is told, spread over shutdown.spreadMs, and whoever does not go in time is dropped. */
import type { TimerWheel } from '../heartbeat/wheel.ts';
import type { EventStream } from '../observe/events.ts';
import type { ResolvedOptions } from '../options.ts';
import type { PipeClaims } from './claims.ts';
import { closeOrders } from './close-orders.ts';
import type { Greeting } from './greeting.ts';
import type { PersistentPipe } from './persistent-pipe.ts';
import type { PipeRegistry } from './pipe-registry.ts';

export interface ShutdownContext {
  readonly options: ResolvedOptions;
  readonly wheel: TimerWheel;
  readonly events: EventStream;
  readonly registry: PipeRegistry;
  readonly admission: { readonly greetings: ReadonlySet<Greeting>; readonly fetches: number };
  readonly operations: { cancel(): void };
  /** The other gateways; null = there are none. */
  claims(): PipeClaims | null;
  /** The last client has gone. */
  stopped(): void;
}

/** Sooner than this a client would come back before the port is closed. */
const minGoAwayMs = 200;
const stepMs = 10;

const order = closeOrders.shutdown;

export class Shutdown {
  readonly #context: ShutdownContext;
  #ended: Promise<void> | null = null;
  #allGone: (() => void) | null = null;
  #handOver = true;
  /** What has not come by now is not waited for. */
  #overdue = false;
  /** Pipes on their way to other gateways: a pipe that is over here may not have been written down yet. */
  readonly #parking = new Set<Promise<void>>();

  constructor(context: ShutdownContext) {
    this.#context = context;
  }

  get begun(): boolean {
    return this.#ended !== null;
  }

  /**
   * Resolves when the last client has gone. Called twice it answers the same.
   * @param handOver false = from now on no pipe is left to another gateway.
   */
  begin(handOver: boolean): Promise<void> {
    if (!handOver) this.#handOver = false;
    this.#ended ??= this.#run();
    return this.#ended;
  }

  /** A pipe or a greeting is over. */
  clientGone(): void {
    if (this.#empty) this.#allGone?.();
  }

  get #heirs(): PipeClaims | null {
    return this.#handOver ? this.#context.claims() : null;
  }

  get #empty(): boolean {
    const { registry, admission } = this.#context;
    return registry.size === 0 && admission.greetings.size === 0 && (admission.fetches === 0 || this.#overdue);
  }

  async #run(): Promise<void> {
    const { options, events, registry, admission, operations } = this.#context;
    const pipes = [...registry];
    const { spreadMs } = options.shutdown;
    events.emit('gateway.closing', { pipes: pipes.length, spreadMs });
    operations.cancel();
    for (const greeting of admission.greetings) greeting.close(order.code, order.text);
    if (!this.#empty) {
      const gone = new Promise<void>((resolve) => {
        this.#allGone = resolve;
      });
      this.#closeSpread(pipes, spreadMs);
      // A backend that is read out may take its time once, and one that was left just before as well.
      const { tailMs } = this.#heirs === null ? { tailMs: 0 } : options.drain;
      this.#limit(spreadMs + options.closing.handshakeMs + 2 * tailMs);
      await gone;
      await Promise.all(this.#parking);
    }
    this.#context.stopped();
    events.emit('gateway.closed', { pipes: pipes.length });
  }

  /** Whoever lingers or does not answer by then is not waited for: Fastify gives its plugins 10 s, an init system hardly more. */
  #limit(ms: number): void {
    const { wheel, registry, admission } = this.#context;
    const limit = {
      timerFired: () => {
        this.#overdue = true;
        for (const pipe of [...registry]) pipe.terminate(order);
        for (const greeting of admission.greetings) greeting.terminate();
        this.clientGone();
      },
    };
    wheel.timer(limit, 'closing').start(ms);
  }

  /** A client that can come back finds its pipe at another gateway; any other begins anew. Also of a pipe that comes late from another one. */
  end(pipe: PersistentPipe): void {
    const { spreadMs } = this.#context.options.shutdown;
    pipe.session?.goAway(Math.round(minGoAwayMs + Math.random() * spreadMs));
    const heirs = this.#heirs;
    if (heirs === null || pipe.session === null) {
      pipe.close(order);
      return;
    }
    const parking = heirs.park(pipe, order).then((parked) => {
      if (!parked) pipe.close(order);
      this.#parking.delete(parking);
    });
    this.#parking.add(parking);
  }

  #closeSpread(pipes: readonly PersistentPipe[], spreadMs: number): void {
    const { wheel } = this.#context;
    const startedAt = wheel.now();
    let next = 0;
    const step = {
      timerFired: () => {
        const share = spreadMs === 0 ? 1 : (wheel.now() - startedAt) / spreadMs;
        const due = Math.min(pipes.length, Math.ceil(share * pipes.length));
        for (; next < due; next += 1) {
          this.end(pipes[next]!);
        }
        if (next < pipes.length) timer.start(stepMs);
      },
    };
    const timer = wheel.timer(step, 'spread');
    step.timerFired();
  }
}
