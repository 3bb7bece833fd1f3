/** A soak from start to verdict: clients and backends come and go, and at every checkpoint an empty gateway holds what it held at the first. */
import { seeded } from '../chaos/payload.mjs';
import { type GatewayFigures, leftBehind, startGatewayProcess } from '../support/gateway-process.ts';
import { baseHeartbeat, Fleet } from './backends.ts';
import { Crowd } from './clients.ts';

export interface SoakOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Before the first checkpoint: code is compiled, histories and pools fill. Default 60,000. */
  readonly warmUpMs?: number | undefined;
  /** Default 300,000. */
  readonly checkpointMs?: number | undefined;
  /** New clients. Default 15. */
  readonly perSecond?: number | undefined;
  /** Mean time between two things that happen to a backend. Default 1500. */
  readonly backendEveryMs?: number | undefined;
  readonly onCheckpoint?: ((checkpoint: Checkpoint) => void) | undefined;
}

export interface Checkpoint {
  /** Since the first. */
  readonly atMs: number;
  readonly clients: number;
  readonly figures: GatewayFigures;
}

export interface SoakReport {
  readonly seed: number;
  readonly checkpoints: readonly Checkpoint[];
  /** Clients by kind, what was done to backends, events of the gateway. */
  readonly clients: Readonly<Record<string, number>>;
  readonly turnedAway: number;
  readonly actions: Readonly<Record<string, number>>;
  readonly events: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

/** Fewer than come: some are forgotten. */
const maxAddresses = 20;
/** Longest time from the end of the last client to an empty gateway. */
const emptyMs = 300_000;

export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const {
    seed,
    durationMs,
    warmUpMs = 60_000,
    checkpointMs = 300_000,
    perSecond = 15,
    backendEveryMs = 1500,
  } = options;
  const gateway = await startGatewayProcess(null, {
    heartbeat: baseHeartbeat,
    resume: { windowMs: 2000 },
    closing: { handshakeMs: 1000, lingerMs: 1000 },
    failover: { maxInterruptionMs: 15_000 },
    pool: { dialTimeoutMs: 1500, ejectMaxMs: 2000 },
    drain: { tailMs: 500 },
    limits: {
      exemptAddresses: [],
      handshakesPerSecondPerAddress: 10,
      handshakeBurstPerAddress: 30,
      maxAddresses,
    },
  });
  const crowd = new Crowd(gateway.port, seeded(seed));
  let fleet: Fleet | null = null;
  try {
    const backends = await Fleet.start(gateway, seeded(seed + 1));
    fleet = backends;
    const checkpoints: Checkpoint[] = [];
    const startedAt = performance.now();
    const churn = async (ms: number): Promise<void> => {
      await Promise.all([crowd.churn(ms, perSecond), backends.churn(ms, backendEveryMs)]);
      await backends.settle();
      await gateway.emptied(emptyMs);
      const clients = Object.values(crowd.counts).reduce((sum, count) => sum + count, 0);
      const checkpoint = { atMs: Math.round(performance.now() - startedAt), clients, figures: await gateway.figures() };
      checkpoints.push(checkpoint);
      options.onCheckpoint?.(checkpoint);
    };
    await churn(warmUpMs);
    for (let left = durationMs; left > 0; left -= checkpointMs) await churn(Math.min(left, checkpointMs));
    const violations = [
      ...leftBehind(checkpoints[0]!.figures, checkpoints.at(-1)!.figures),
      ...checkpoints
        .filter(({ figures }) => figures.addresses > 2 * maxAddresses)
        .map(({ atMs, figures }) => `${figures.addresses} addresses were kept after ${atMs} ms`),
      ...(await gateway.complaints()).map((complaint) => `the gateway complained: ${complaint}`),
    ];
    return {
      seed,
      checkpoints,
      clients: crowd.counts,
      turnedAway: crowd.failures,
      actions: backends.counts,
      events: await gateway.counts(),
      violations,
    };
  } catch (error) {
    const how =
      gateway.exit === undefined ? '' : `; the gateway has exited: ${JSON.stringify(gateway.exit)}\n${gateway.stderr}`;
    throw new Error(`the soak with seed ${seed} failed${how}`, { cause: error });
  } finally {
    await fleet?.dispose();
    await gateway.dispose();
  }
}

const mib = (bytes: number): string => (bytes / 1_048_576).toFixed(2);

export function describeCheckpoint({ atMs, clients, figures }: Checkpoint): string {
  const { heldBytes, rss, descriptors, wheelTimers, listeners, resources } = figures;
  const active = Object.entries(resources).map(([name, count]) => `${count} ${name}`);
  return [
    `  ${Math.round(atMs / 1000)} s, ${clients} clients so far: ${mib(heldBytes)} MiB held, ${mib(rss)} MiB RSS`,
    `${descriptors} descriptors, ${wheelTimers} wheel timers, ${listeners.process} + ${listeners.server} listeners`,
    active.join(', '),
  ].join('; ');
}

export function describeSoak({ clients, turnedAway, actions, events, violations, seed }: SoakReport): string {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  const told = [
    'pipe.opened',
    'pipe.closed',
    'pipe.interrupted',
    'pipe.restored',
    'pipe.migrated',
    'client.resumed',
    'pipe.refused',
    'limit.reached',
  ];
  return [
    `  clients: ${list(clients)}; ${turnedAway} of them were turned away or lost`,
    `  backends: ${list(actions)}`,
    `  ${told.map((name) => `${name} ${events[name] ?? 0}`).join(', ')}`,
    violations.length === 0 ? '  nothing was left behind' : `LEFT BEHIND (repeat with --seed ${seed}):`,
    ...violations.map((violation) => `  ${violation}`),
  ].join('\n');
}
