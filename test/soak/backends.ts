/** The backends of a soak, and what is done to them through the admin API and by signals. */
import { type BackendProcess, startBackend } from '../support/backend-process.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { sleep, until } from '../support/wait.ts';

/** Of the start; `settle` returns to it. */
export const baseHeartbeat = {
  client: { intervalMs: 1000, timeoutMs: 3000 },
  backend: { intervalMs: 1000, timeoutMs: 3000 },
};
const slots = 3;

export class Fleet {
  readonly counts: Record<string, number> = {};
  readonly #gateway: GatewayProcess;
  readonly #random: () => number;
  readonly #backends: BackendProcess[];

  private constructor(gateway: GatewayProcess, random: () => number, backends: BackendProcess[]) {
    this.#gateway = gateway;
    this.#random = random;
    this.#backends = backends;
  }

  static async start(gateway: GatewayProcess, random: () => number): Promise<Fleet> {
    const backends = await Promise.all(Array.from({ length: slots }, () => startBackend(null, { record: false })));
    const fleet = new Fleet(gateway, random, backends);
    for (let slot = 0; slot < slots; slot += 1) await fleet.#register(slot);
    return fleet;
  }

  /** One thing after the other happens to them for so long. */
  async churn(durationMs: number, everyMs: number): Promise<void> {
    const until = performance.now() + durationMs;
    while (performance.now() < until) {
      await sleep(2 * everyMs * this.#random());
      const slot = Math.floor(this.#random() * slots);
      const acts: readonly (readonly [string, () => Promise<void>])[] = [
        ['kill', () => this.#kill(slot)],
        ['freeze', () => this.#freeze(slot)],
        ['remove', () => this.#remove(slot, 'force')],
        ['drain', () => this.#remove(slot, 'migrate')],
        ['disable', () => this.#disable(slot)],
        ['heartbeat', () => this.#heartbeat()],
        ['interrupt', () => this.#interrupt()],
        ['look', () => this.#look()],
      ];
      const [name, act] = acts[Math.floor(this.#random() * acts.length)]!;
      this.counts[name] = (this.counts[name] ?? 0) + 1;
      await act();
    }
  }

  /** As at the start: all registered, the heartbeat's settings of the start. */
  async settle(): Promise<void> {
    await this.#expect(200, 'PATCH', '/config/heartbeat', baseHeartbeat);
    const { body } = await this.#gateway.admin('GET', '/backends');
    const { length } = (body as { backends: unknown[] }).backends;
    if (length !== slots) throw new Error(`there are ${length} backends in place of ${slots}`);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#backends.map((backend) => backend.dispose()));
  }

  async #kill(slot: number): Promise<void> {
    this.#backends[slot]!.kill();
    await sleep(1000 * this.#random());
    this.#backends[slot] = await this.#backends[slot]!.restart();
  }

  async #freeze(slot: number): Promise<void> {
    await this.#backends[slot]!.freeze();
    await sleep(4000 * this.#random());
    this.#backends[slot]!.thaw();
  }

  async #remove(slot: number, mode: 'force' | 'migrate'): Promise<void> {
    const answer = await this.#gateway.admin('DELETE', `/backends/b${slot}?mode=${mode}&timeoutMs=2000`);
    if (![202, 204].includes(answer.status)) throw new Error(`DELETE: ${answer.status} ${JSON.stringify(answer.body)}`);
    await until(async () => (await this.#gateway.admin('GET', `/backends/b${slot}`)).status === 404, {
      timeoutMs: 300_000,
      intervalMs: 100,
      what: `b${slot} to leave the pool`,
    });
    await this.#register(slot);
  }

  async #disable(slot: number): Promise<void> {
    await this.#expect(200, 'PATCH', `/backends/b${slot}`, { adminState: 'disabled' });
    await sleep(500 * this.#random());
    await this.#expect(200, 'PATCH', `/backends/b${slot}`, { adminState: 'draining' });
    await sleep(500 * this.#random());
    await this.#expect(200, 'PATCH', `/backends/b${slot}`, { adminState: 'enabled', weight: 1 + (slot % 2) });
  }

  async #heartbeat(): Promise<void> {
    const intervalMs = Math.round(300 + 1500 * this.#random());
    const hop = { intervalMs, timeoutMs: 3 * intervalMs };
    await this.#expect(200, 'PATCH', '/config/heartbeat', { client: hop, backend: hop });
  }

  async #interrupt(): Promise<void> {
    const { body } = await this.#gateway.admin('GET', '/pipes?state=open&limit=5');
    for (const { id } of (body as { pipes: { id: string }[] }).pipes) {
      const { status } = await this.#gateway.admin('POST', `/pipes/${id}/interrupt`);
      // It may have ended meanwhile.
      if (![200, 202, 404, 409].includes(status)) throw new Error(`POST /pipes/${id}/interrupt: ${status}`);
    }
  }

  async #look(): Promise<void> {
    for (const path of ['/stats', '/pipes', '/backends', '/config/buffer']) await this.#expect(200, 'GET', path);
  }

  async #register(slot: number): Promise<void> {
    await this.#expect(201, 'POST', '/backends', { id: `b${slot}`, url: this.#backends[slot]!.url });
  }

  async #expect(status: number, method: string, path: string, body?: unknown): Promise<void> {
    const answer = await this.#gateway.admin(method, path, body);
    if (answer.status !== status)
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)} in place of ${status}`);
  }
}
