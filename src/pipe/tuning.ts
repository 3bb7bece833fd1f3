/** What can be set while the gateway runs, and holds for every live pipe at once: the heartbeat and the memory bounds. */
import { type HeartbeatPatch, type HeartbeatSettings, mergeHeartbeat } from '../heartbeat/settings.ts';
import type { TimerWheel } from '../heartbeat/wheel.ts';
import type { EventStream } from '../observe/events.ts';
import type { TunedSection } from '../observe/vocabulary.ts';
import type { ResolvedOptions } from '../options.ts';
import { type BufferPatch, type BufferSettings, mergeBuffer, type PipeLimits, pipeLimits } from './buffer-settings.ts';
import { LiveSetting, type Revised } from './live-setting.ts';
import { MemoryBudget } from './memory-budget.ts';
import type { PipeRegistry } from './pipe-registry.ts';

/** A setting after its change, and how many live pipes it reached. */
export type Changed<T> = Revised<T> & { readonly pipes: number };

export class Tuning {
  readonly budget: MemoryBudget;
  readonly #options: ResolvedOptions;
  readonly #events: EventStream;
  readonly #registry: PipeRegistry;
  readonly #heartbeat: LiveSetting<HeartbeatSettings>;
  readonly #buffer: LiveSetting<BufferSettings>;
  readonly #limits: { -readonly [K in keyof PipeLimits]: PipeLimits[K] };

  constructor(options: ResolvedOptions, events: EventStream, registry: PipeRegistry, wheel: TimerWheel) {
    this.#options = options;
    this.#events = events;
    this.#registry = registry;
    this.#heartbeat = new LiveSetting(options.heartbeat);
    this.#buffer = new LiveSetting<BufferSettings>(options.buffer);
    this.#limits = pipeLimits(options.buffer, options.maxMessageBytes);
    this.budget = new MemoryBudget(options.buffer.maxTotalBytes, () => registry.tenants(), wheel);
  }

  get heartbeat(): Revised<HeartbeatSettings> {
    return this.#heartbeat.present;
  }

  get buffer(): Revised<BufferSettings> {
    return this.#buffer.present;
  }

  /** What pipes look at with each message: one object, changed in place. */
  get limits(): PipeLimits {
    return this.#limits;
  }

  /** @throws HOLDFAST_ERR_REVISION_STALE, HOLDFAST_ERR_HEARTBEAT */
  setHeartbeat(patch: HeartbeatPatch, ifRevision: number | undefined): Changed<HeartbeatSettings> {
    const before = this.#heartbeat.change((settings) => mergeHeartbeat(settings, patch), ifRevision);
    return this.#heartbeatChanged(before);
  }

  /** The settings that the gateways share. */
  adoptHeartbeat(settings: HeartbeatSettings, revision: number): Changed<HeartbeatSettings> {
    return this.#heartbeatChanged(this.#heartbeat.replace(settings, revision));
  }

  /** @throws HOLDFAST_ERR_REVISION_STALE, HOLDFAST_ERR_BUFFER */
  setBuffer(patch: BufferPatch, ifRevision: number | undefined): Changed<BufferSettings> {
    return this.#bufferChanged(this.#buffer.change((settings) => this.mergeBuffer(settings, patch), ifRevision));
  }

  /** The settings that the gateways share. @throws HOLDFAST_ERR_BUFFER where they do not fit the options of this one. */
  adoptBuffer(settings: BufferSettings, revision: number): Changed<BufferSettings> {
    return this.#bufferChanged(this.#buffer.replace(this.mergeBuffer(settings, {}), revision));
  }

  /** @throws HOLDFAST_ERR_BUFFER */
  mergeBuffer(before: BufferSettings, patch: BufferPatch): BufferSettings {
    return mergeBuffer(before, patch, this.#options.maxMessageBytes);
  }

  #heartbeatChanged(before: Revised<HeartbeatSettings>): Changed<HeartbeatSettings> {
    const { settings } = this.heartbeat;
    for (const pipe of this.#registry) pipe.retune(settings);
    return this.#changed('heartbeat', before.settings, this.heartbeat);
  }

  #bufferChanged(before: Revised<BufferSettings>): Changed<BufferSettings> {
    const { settings } = this.buffer;
    Object.assign(this.#limits, pipeLimits(settings, this.#options.maxMessageBytes));
    this.budget.maxBytes = settings.maxTotalBytes;
    for (const pipe of this.#registry) pipe.limitsChanged();
    return this.#changed('buffer', before.settings, this.buffer);
  }

  #changed<T>(section: TunedSection, before: T, { revision, settings: after }: Revised<T>): Changed<T> {
    const pipes = this.#registry.size;
    this.#events.emit('config.changed', { section, revision, before, after, pipes });
    return { revision, settings: after, pipes };
  }
}
