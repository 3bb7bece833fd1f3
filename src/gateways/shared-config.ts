/** The settings that all gateways share: what PATCH /config/... changes on one of them holds on all. */
import { type Static, type TSchema, Type } from 'typebox';
import { type ConfigSection, configKey, keyKinds } from '../cluster/keys.ts';
import { SharedRecord, type SharingSettings, type Snapshot } from '../cluster/shared-record.ts';
import { RevisionStale, SharedConflict } from '../errors.ts';
import { type HeartbeatPatch, type HeartbeatSettings, jsonHeartbeats, mergeHeartbeat } from '../heartbeat/settings.ts';
import { type BufferPatch, type BufferSettings, bufferProperties } from '../pipe/buffer-settings.ts';
import type { Revised } from '../pipe/live-setting.ts';
import type { PipeManager } from '../pipe/pipe-manager.ts';
import type { Changed } from '../pipe/tuning.ts';

const closed = { additionalProperties: false } as const;
const duration = Type.Integer({ minimum: 0, maximum: 86_400_000 });
const hop = Type.Object(
  {
    intervalMs: duration,
    timeoutMs: duration,
    timeoutSet: Type.Boolean(),
    json: Type.Enum(jsonHeartbeats),
  },
  closed,
);
const HeartbeatRecord = Type.Object({ v: Type.Literal(1), client: hop, backend: hop }, closed);
const BufferRecord = Type.Object({ v: Type.Literal(1), ...bufferProperties }, closed);

export class SharedConfig {
  readonly #manager: PipeManager;
  readonly #heartbeat: SharedRecord<typeof HeartbeatRecord>;
  readonly #buffer: SharedRecord<typeof BufferRecord>;

  constructor(manager: PipeManager, sharing: SharingSettings) {
    this.#manager = manager;
    const { tuning } = manager;
    this.#heartbeat = share(sharing, 'heartbeat', HeartbeatRecord, ({ revision, value: { client, backend } }) =>
      tuning.adoptHeartbeat({ client, backend }, revision),
    );
    this.#buffer = share(sharing, 'buffer', BufferRecord, ({ revision, value: { v: _v, ...bounds } }) =>
      tuning.adoptBuffer(bounds, revision),
    );
  }

  start(): void {
    this.#heartbeat.start();
    this.#buffer.start();
  }

  stop(): void {
    this.#heartbeat.stop();
    this.#buffer.stop();
  }

  async look(): Promise<void> {
    await Promise.all([this.#heartbeat.look(), this.#buffer.look()]);
  }

  /**
   * @param ifRevision the revision the change was made for.
   * @throws HOLDFAST_ERR_HEARTBEAT, HOLDFAST_ERR_REVISION_STALE, HOLDFAST_ERR_SHARED_CONFLICT, HOLDFAST_ERR_STORE_UNAVAILABLE
   */
  async setHeartbeat(patch: HeartbeatPatch, ifRevision?: number): Promise<Changed<HeartbeatSettings>> {
    const check = checker('the heartbeat', ifRevision);
    const { revision, value } = await this.#heartbeat.change((present) => {
      const before = present ?? asSnapshot(this.#manager.heartbeat());
      check(before.revision);
      const { client, backend } = before.value;
      return { v: 1, ...mergeHeartbeat({ client, backend }, patch) };
    });
    const { client, backend } = value;
    return { revision, settings: { client, backend }, pipes: this.#manager.size };
  }

  /** As setHeartbeat. @throws HOLDFAST_ERR_BUFFER */
  async setBuffer(patch: BufferPatch, ifRevision?: number): Promise<Changed<BufferSettings>> {
    const check = checker('the memory bounds', ifRevision);
    const { revision, value } = await this.#buffer.change((present) => {
      const { revision: before, value: bounds } = present ?? asSnapshot(this.#manager.buffer());
      check(before);
      return { ...this.#manager.tuning.mergeBuffer(bounds, patch), v: 1 };
    });
    const { v: _v, ...settings } = value;
    return { revision, settings, pipes: this.#manager.size };
  }
}

function asSnapshot<T>({ revision, settings }: Revised<T>): Snapshot<T> {
  return { revision, value: settings };
}

/** Called with the revision that is there, each time the change is tried. */
function checker(what: string, ifRevision: number | undefined): (revision: number) => void {
  let base: number | undefined;
  return (revision) => {
    if (ifRevision !== undefined && ifRevision !== revision) throw new RevisionStale(String(ifRevision), revision);
    base ??= revision;
    if (base !== revision) throw new SharedConflict(what, revision);
  };
}

function share<S extends TSchema>(
  sharing: SharingSettings,
  section: ConfigSection,
  schema: S,
  apply: (present: Snapshot<Static<S>>) => unknown,
): SharedRecord<S> {
  return new SharedRecord({
    ...sharing,
    schema,
    apply: (present) => void apply(present),
    key: configKey(section),
    kind: keyKinds.config,
    what: `the ${section} settings`,
    // What nobody has changed is what each gateway was started with.
    first: () => null,
  });
}
