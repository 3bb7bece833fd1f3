/** Does what was planned to a stage, and keeps a record of it. */
import { sleep } from '../support/wait.ts';
import type { Action, Planned } from './schedule.ts';
import type { Slot, Stage } from './stage.ts';

export class Driver {
  readonly timeline: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly #stage: Stage;
  /** What is under way at each backend: its next turn waits for it. */
  readonly #busy: Promise<void>[];
  #failure: unknown;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#busy = stage.slots.map(async () => {});
  }

  /** Resolves when all is done and every backend is back. */
  async run(plan: readonly Planned[]): Promise<void> {
    const startedAt = performance.now();
    for (const { atMs, action } of plan) {
      await sleep(Math.max(0, startedAt + atMs - performance.now()));
      if (this.#failure !== undefined) break;
      if ('slot' in action) {
        const before = this.#busy[action.slot]!;
        this.#busy[action.slot] = before.then(() => this.#doAndNote(action));
      } else {
        await this.#doAndNote(action);
      }
    }
    await Promise.all(this.#busy);
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #doAndNote(action: Action): Promise<void> {
    if (this.#failure !== undefined) return;
    this.counts[action.do] = (this.counts[action.do] ?? 0) + 1;
    this.#note(`${JSON.stringify(action)}`);
    try {
      await this.#do(action);
      this.#note(`  done: ${action.do}${'slot' in action ? ` b${action.slot}` : ''}`);
    } catch (error) {
      this.#note(`  failed: ${action.do}: ${String(error)}`);
      this.#failure ??= error;
    }
  }

  async #do(action: Action): Promise<void> {
    const stage = this.#stage;
    if (!('slot' in action)) {
      await this.#doAtGateway(action);
      return;
    }
    const slot = stage.slots[action.slot]!;
    switch (action.do) {
      case 'kill':
        await slot.child.kill();
        await sleep(action.downMs);
        await slot.start();
        return;
      case 'stop':
        await this.#restartWith(slot, action.code, action.downMs);
        return;
      case 'freeze':
        await slot.child.freeze();
        await sleep(action.ms);
        slot.child.thaw();
        return;
      case 'partition':
        await partition(slot, action.ms, action.end);
        return;
      case 'drain':
        await this.#expect(202, 'DELETE', `/backends/${slot.id}?mode=migrate&timeoutMs=${action.timeoutMs}`);
        await stage.gone(slot);
        await sleep(action.awayMs);
        await stage.register(slot);
        return;
      case 'remove':
        await this.#expect(204, 'DELETE', `/backends/${slot.id}?mode=force`);
        await sleep(action.awayMs);
        await stage.register(slot);
        return;
      case 'cancel-drain':
        await this.#expect(200, 'PATCH', `/backends/${slot.id}`, { adminState: 'draining' });
        await sleep(action.afterMs);
        await this.#expect(200, 'PATCH', `/backends/${slot.id}`, { adminState: 'enabled' });
        return;
      case 'rebalance':
        await this.#expect(202, 'POST', `/backends/${slot.id}/rebalance?pipesPerSecond=200&timeoutMs=3000`);
    }
  }

  async #doAtGateway(action: Exclude<Action, { slot: number }>): Promise<void> {
    const { gateway } = this.#stage;
    if (action.do === 'heartbeat') {
      const { intervalMs, timeoutMs } = action;
      await this.#expect(200, 'PATCH', '/config/heartbeat', { backend: { intervalMs, timeoutMs } });
    } else if (action.do === 'buffer') {
      await this.#expect(200, 'PATCH', '/config/buffer', { maxBytesPerPipe: action.maxBytesPerPipe });
    } else if (action.do === 'interrupt') {
      const { body } = await this.#stage.admin('GET', `/pipes?state=open&limit=${action.pipes}`);
      for (const { id } of (body as { pipes: { id: string }[] }).pipes)
        await this.#stage.admin('POST', `/pipes/${id}/interrupt`);
    } else {
      await gateway.freeze();
      await sleep(action.ms);
      gateway.thaw();
    }
  }

  async #restartWith(slot: Slot, code: 1001 | 1012, downMs: number): Promise<void> {
    await slot.child.request({ do: 'stop-with', code });
    await slot.child.stop();
    await sleep(downMs);
    await slot.start();
  }

  /** A drained backend without pipes goes at once (204). */
  async #expect(status: number, method: string, path: string, body?: unknown): Promise<void> {
    const answer = await this.#stage.admin(method, path, body);
    if (answer.status === status || (status === 202 && answer.status === 204)) return;
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  #note(what: string): void {
    this.timeline.push(`${new Date().toISOString()} ${what}`);
  }
}

/** Without a relay the backend is only frozen, which looks the same to the gateway but for the end. */
async function partition(slot: Slot, ms: number, end: 'reset' | 'heal'): Promise<void> {
  const { relay } = slot;
  if (relay === null) {
    await slot.child.freeze();
    await sleep(ms);
    slot.child.thaw();
    return;
  }
  relay.partition();
  await sleep(ms);
  if (end === 'reset') relay.reset();
  relay.heal();
}
