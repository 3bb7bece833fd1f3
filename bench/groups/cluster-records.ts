/** What records and beats cost in Redis, by many of them at once; and what follows for a number of pipes that fits on no machine here. */
import { clientKey, firstRevision, type KeyKind, keyKinds, pipeKey, sha256 } from '../../src/cluster/keys.ts';
import { type ClientClaim, encodeJson, type GatewayFacts, type PipeRecord } from '../../src/cluster/records.ts';
import { redisStore } from '../../src/cluster/redis/index.ts';
import { type Claim, type ClusterStore, storeBounds } from '../../src/cluster/store.ts';
import { type BenchRedis, between } from '../support/redis.ts';

export interface RecordsRow {
  readonly what: string;
  /** Of each; what is left in Redis. */
  readonly bytes: number;
  readonly redisUs: number;
  /** Of this process, which has the store of one gateway. */
  readonly gatewayUs: number;
  readonly answerBytes: number;
}

/** The costs of one of each kind. */
export type RecordCosts = Readonly<Record<'pipe' | 'client' | 'keep' | 'beat' | 'beatOfMany', RecordsRow>>;

/** Calls under way at once, as where many clients come at one time. */
const atOnce = 500;
const manyGateways = 100;

export async function measureRecords(redis: BenchRedis, count: number): Promise<RecordCosts> {
  await redis.clear();
  const store = redisStore({ url: redis.url, timeoutMs: 10_000 });
  const watch = async (what: string, of: number, run: () => Promise<unknown>): Promise<RecordsRow> => {
    const before = await redis.look();
    const cpu = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(cpu);
    const { bytes, cpuMs, answered } = between(before, await redis.look());
    return {
      what,
      bytes: bytes / of,
      redisUs: (1000 * cpuMs) / of,
      gatewayUs: (user + system) / of,
      answerBytes: answered / of,
    };
  };
  try {
    // Scripts are loaded, connections are there.
    await write(store, claimsOf(100, 'warm'), keyKinds.pipe, pipeRecord);
    const pipes = claimsOf(count, 'pipe');
    const clients = claimsOf(count, 'client');
    const pipe = await watch('a resumable pipe, written', count, () => write(store, pipes, keyKinds.pipe, pipeRecord));
    const client = await watch('a client id that was brought along, written', count, () =>
      write(store, clients, keyKinds.client, clientClaim),
    );
    const keep = await watch('either of them, kept for another 15 min', 2 * count, () =>
      touch(store, [...pipes, ...clients]),
    );
    const beat = await beats(3);
    const beatOfMany = await beats(manyGateways);
    return { pipe, client, keep, beat, beatOfMany };
  } finally {
    await store.close();
  }

  async function beats(gateways: number): Promise<RecordsRow> {
    const all = Array.from({ length: gateways }, (_, index) => `gateway-${index}.abcdef`);
    const once = async (): Promise<void> => {
      for (const id of all) await store.beat(id, encodeJson('facts', factsOf(id), storeBounds.memberBytes), 60_000);
    };
    await once();
    const rounds = Math.ceil(1000 / gateways);
    return watch(`a beat, ${gateways} gateways`, rounds * gateways, async () => {
      for (let round = 0; round < rounds; round += 1) await once();
    });
  }
}

function claimsOf(count: number, kind: string): Claim[] {
  return Array.from({ length: count }, (_, index) => {
    const id = sha256(`${kind} ${index}`).slice(0, 16);
    return { key: kind === 'client' ? clientKey(id) : pipeKey(id)!, revision: firstRevision() };
  });
}

async function write(
  store: ClusterStore,
  claims: readonly Claim[],
  { ttlMs, maxBytes }: KeyKind,
  value: (key: string) => object,
): Promise<void> {
  for (let at = 0; at < claims.length; at += atOnce)
    await Promise.all(
      claims.slice(at, at + atOnce).map(({ key, revision }) => {
        const bytes = encodeJson(key, value(key), maxBytes);
        return store.put(key, { revision, value: bytes }, { ifRevision: 0, ttlMs });
      }),
    );
}

async function touch(store: ClusterStore, claims: readonly Claim[]): Promise<void> {
  for (let at = 0; at < claims.length; at += storeBounds.claims) {
    const kept = await store.touch(claims.slice(at, at + storeBounds.claims), keyKinds.pipe.ttlMs);
    if (kept.includes(false)) throw new Error('a record is gone');
  }
}

const gateway = 'holdfast-6c9f7d5b8-x2k4q.abcdef';

const pipeRecord = (key: string): PipeRecord => ({
  v: 1,
  state: 'held',
  gateway,
  fence: 0,
  blobBytes: 0,
  backend: '10.1.2.3-9000',
  tokens: [sha256(key)],
});

const clientClaim = (key: string): ClientClaim => ({
  v: 1,
  state: 'held',
  gateway,
  pipe: sha256(key).slice(0, 16),
  principal: sha256(`who ${key}`),
  since: 1_790_000_000_000,
});

const factsOf = (id: string): GatewayFacts => ({
  v: 1,
  name: id.split('.')[0]!,
  address: 'http://10.1.2.3:9090',
  version: '0.1.0',
  startedAt: 1_790_000_000_000,
  pipes: 10_000,
  closing: false,
});

export interface Model {
  readonly pipes: number;
  readonly gateways: number;
  /** In Redis. */
  readonly bytes: number;
  /** Shares of the one core that Redis has. */
  readonly keeping: number;
  readonly beating: number;
  readonly storm: number;
  /** Of the answers to beats. */
  readonly answerBytesPerSecond: number;
  readonly keptPerSecond: number;
  readonly writtenPerSecond: number;
}

/** Computed, not measured: resumable pipes with ids of their own, and all of them connecting anew within a minute. */
export function modelOf(costs: RecordCosts, pipes: number): Model {
  const gateways = manyGateways;
  const keptPerSecond = (2 * pipes * 3000) / keyKinds.pipe.ttlMs;
  const writtenPerSecond = (2 * pipes) / 60;
  return {
    pipes,
    gateways,
    bytes: pipes * (costs.pipe.bytes + costs.client.bytes),
    keptPerSecond,
    keeping: keptPerSecond * costs.keep.redisUs * 1e-6,
    beating: gateways * costs.beatOfMany.redisUs * 1e-6,
    answerBytesPerSecond: gateways * costs.beatOfMany.answerBytes,
    writtenPerSecond,
    storm: (writtenPerSecond / 2) * (costs.pipe.redisUs + costs.client.redisUs) * 1e-6,
  };
}
