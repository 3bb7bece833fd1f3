/** Pipes as far as an Intake knows them, with one memory for all, and time that a test moves. */
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { EventStream } from '../../src/observe/events.ts';
import { Intake, type IntakeLimits } from '../../src/pipe/intake.ts';
import { Journal } from '../../src/pipe/journal.ts';
import { MemoryBudget } from '../../src/pipe/memory-budget.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeLink } from './fake-link.ts';

export const KiB = 1024;

export class IntakePipe {
  readonly fields = { pipeId: 'p', clientId: 'c', clientIp: '127.0.0.1' };
  readonly journal = new Journal();
  readonly client = new FakeLink('client');
  readonly intake: Intake;
  closed = 0;
  dropped = 0;
  interruptedAt: number | null = null;
  owedSince: number | null = null;
  readonly #world: IntakeWorld;

  constructor(world: IntakeWorld) {
    this.#world = world;
    this.intake = new Intake(this, this.journal, world);
    this.intake.client = this.client;
    world.pipes.push(this);
  }
  get interruptedMs(): number | null {
    return this.interruptedAt === null ? null : this.#world.clock.now() - this.interruptedAt;
  }
  bufferFull(): void {
    this.closed += 1;
  }
  get waitsForAcks(): boolean {
    return this.owedSince !== null;
  }
  get acksOwedMs(): number | null {
    return this.owedSince === null ? null : this.#world.clock.now() - this.owedSince;
  }
  memoryGivenUp(): void {
    this.closed += 1;
    this.client.pendingBytes = 0;
    this.owedSince = null;
  }
  stoodStill(): void {
    this.dropped += 1;
    this.intake.client = null;
  }
  /** Its backend is not read before the client acknowledges. */
  owe(): void {
    this.owedSince = this.#world.clock.now();
    this.intake.update();
  }
  interrupt(): void {
    this.interruptedAt = this.#world.clock.now();
    this.intake.interruptionBegan();
  }
  take(bytes: number): void {
    this.journal.pushSent(Buffer.allocUnsafeSlow(bytes), 1);
    this.intake.update();
  }
  acknowledge(): void {
    this.journal.acknowledge(this.journal.mark);
    this.intake.update();
  }
}

export class IntakeWorld {
  readonly clock = new FakeClock(0);
  readonly wheel = new TimerWheel({ clock: this.clock });
  readonly pipes: IntakePipe[] = [];
  readonly events = new EventStream((error) => {
    throw error;
  });
  readonly seen: string[] = [];
  readonly limits: IntakeLimits;
  readonly budget: MemoryBudget;

  constructor(onFull: 'close' | 'pause', maxTotalBytes = 10_000 * KiB) {
    this.limits = { maxBytesPerPipe: 100 * KiB, onFull };
    this.budget = new MemoryBudget(maxTotalBytes, () => this.pipes.map((pipe) => pipe.intake), this.wheel);
    this.events.tap((name) => this.seen.push(name));
  }
}
