/**
 * The state of one pipe, and the time limit each state has: how long a client is kept without a backend, how long a pipe waits for its
 * client, how long a closing one goes on delivering.
 */
import type { TimerOwner, TimerWheel, WheelTimer } from '../heartbeat/wheel.ts';
import type { PipeState } from '../observe/vocabulary.ts';
import type { ResolvedOptions } from '../options.ts';
import { isEnding, isLive, transition } from './pipe-state.ts';

export interface LifecycleOwner {
  /** The time of the present state is over. */
  deadlinePassed(): void;
}

export class Lifecycle implements TimerOwner {
  readonly #owner: LifecycleOwner;
  readonly #options: ResolvedOptions;
  readonly #wheel: TimerWheel;
  /** Made when it is needed: most pipes have none for hours. */
  #deadline: WheelTimer | null = null;
  #state: PipeState = 'connecting';

  constructor(owner: LifecycleOwner, context: { options: ResolvedOptions; wheel: TimerWheel }) {
    this.#owner = owner;
    this.#options = context.options;
    this.#wheel = context.wheel;
  }

  get state(): PipeState {
    return this.#state;
  }

  /** The client is served, or will be as soon as there is a backend. */
  get live(): boolean {
    return isLive(this.#state);
  }

  /** It closes, or has closed. */
  get ending(): boolean {
    return isEnding(this.#state);
  }

  /** Both ends are there, and messages pass. */
  open(): void {
    if (this.#state !== 'open') this.#move('open');
    this.#stopDeadline();
  }

  /** The client is there, a backend is not. A pipe that never had one stays `connecting`. */
  interrupt(): void {
    if (this.#state !== 'connecting') this.#move('interrupted');
    const { maxInterruptionMs } = this.#options.failover;
    // Without a limit too: the window of a client that is back must not run on.
    if (maxInterruptionMs > 0) this.#startDeadline(maxInterruptionMs);
    else this.#stopDeadline();
  }

  /** New messages are held while the pipe goes over to another backend. */
  migrate(): void {
    this.#move('migrating');
  }

  /** The client is away, and waited for. */
  detach(): void {
    if (this.#state === 'migrating') this.#move('open');
    this.#move('detached');
    this.#startDeadline(this.#options.resume.windowMs);
  }

  /** It is on its way to another gateway, and serves nobody here. */
  leave(): void {
    this.#move('moving');
    this.#stopDeadline();
  }

  close(): void {
    this.#move('closing');
    this.#stopDeadline();
  }

  /** Closing takes this long at most. */
  linger(ms: number): void {
    this.#startDeadline(ms);
  }

  stopLingering(): void {
    this.#stopDeadline();
  }

  end(): void {
    this.#move('closed');
    this.#stopDeadline();
  }

  timerFired(): void {
    this.#owner.deadlinePassed();
  }

  #startDeadline(ms: number): void {
    this.#deadline ??= this.#wheel.timer(this, 'deadline');
    this.#deadline.start(ms);
  }

  #stopDeadline(): void {
    this.#deadline?.stop();
    this.#deadline = null;
  }

  #move(to: PipeState): void {
    this.#state = transition(this.#state, to);
  }
}
