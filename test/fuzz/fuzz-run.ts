/** A fuzz run from start to verdict: a gateway in a process of its own, a raw backend and many bad peers in this one, a good client beside them. */

import { seeded } from '../chaos/payload.mjs';
import { FrameDecoder, opcodes } from '../support/frame-codec.ts';
import {
  type GatewayFigures,
  type GatewayProcess,
  leftBehind,
  startGatewayProcess,
} from '../support/gateway-process.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';
import { actAsBackend, drawKind, type FuzzKind, fuzzCases } from './cases.ts';
import { startGoodClient } from './good-client.ts';
import { StrictPeer } from './strict-peer.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Cases at one time. Default 12. */
  readonly concurrency?: number | undefined;
  /** One case alone, by its number. */
  readonly only?: number | undefined;
}

export interface FuzzReport {
  readonly seed: number;
  readonly cases: Readonly<Record<string, number>>;
  /** Answers to request heads, by status. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly good: { readonly messages: number; readonly p99Ms: number };
  readonly memory: { readonly before: GatewayFigures; readonly after: GatewayFigures };
  /** Each with the number of its case, where it has one. */
  readonly violations: readonly string[];
}

/** Before the first look at the memory. */
const warmUpCases = 150;
/** Most that the good client's round trips may take, 99 of 100: all the bad peers share the two processes with it. */
const goodP99Ms = 1000;
const gatewayOptions = {
  maxMessageBytes: 100_000,
  closing: { handshakeMs: 300, lingerMs: 300 },
  failover: { handshakeWaitMs: 1000, backoffBaseMs: 5, backoffMaxMs: 50, maxInterruptionMs: 1000, probationMs: 50 },
  pool: { dialTimeoutMs: 500, ejectAfter: 0 },
  resume: { windowMs: 300, startTimeoutMs: 500 },
  heartbeat: { client: { intervalMs: 1000, timeoutMs: 3000 }, backend: { intervalMs: 1000, timeoutMs: 3000 } },
};

/** A generator of its own for each case: 2654435761 is near 2^32 divided by the golden ratio. */
const randomOf = (seed: number, index: number, part = 0): (() => number) =>
  seeded((seed * 2_654_435_761 + index * 97 + part) >>> 0);

export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seed, durationMs, concurrency = 12, only } = options;
  const violations = new Set<string>();
  const cases: Record<string, number> = {};
  const statuses: Record<string, number> = {};
  const backend = await startRawBackend(null, {
    onConnection: (connection) => serve(connection, seed, (what) => violations.add(what)),
  });
  const gateway = await startGatewayProcess(null, { ...gatewayOptions, backends: [backend.url] });
  try {
    const runCase = async (index: number): Promise<void> => {
      const random = randomOf(seed, index);
      const kind: FuzzKind = drawKind(random);
      cases[kind] = (cases[kind] ?? 0) + 1;
      const name = `case ${index} (${kind})`;
      const context = {
        port: gateway.port,
        index,
        random,
        violated: (what: string) => violations.add(`${name}: ${what}`),
        answered: (status: number) => {
          statuses[status] = (statuses[status] ?? 0) + 1;
        },
      };
      try {
        await fuzzCases[kind](context);
      } catch (error) {
        // A good handshake among bad neighbours must be answered.
        violations.add(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    const alive = (): boolean => gateway.exit === undefined;
    let next = only ?? 0;
    const workers = async (more: () => boolean): Promise<void> => {
      const work = async (): Promise<void> => {
        while (alive() && more()) {
          next += 1;
          await runCase(next - 1);
        }
      };
      await Promise.all(Array.from({ length: only === undefined ? concurrency : 1 }, work));
    };

    if (only === undefined) await workers(() => next < warmUpCases);
    const before = await idle(gateway);
    const good = await startGoodClient(`${gateway.url}/good`);
    const until = performance.now() + durationMs;
    await workers(() => (only === undefined ? performance.now() < until : next === only));
    if (!alive()) throw new Error(`the gateway has exited: ${JSON.stringify(gateway.exit)}\n${gateway.stderr}`);
    const { problems, ...noticed } = await good.finish();
    const after = await idle(gateway);
    if (noticed.p99Ms > goodP99Ms) violations.add(`the good client's p99 was ${noticed.p99Ms} ms`);
    for (const problem of problems) violations.add(`the good client: ${problem}`);
    for (const complaint of await gateway.complaints()) violations.add(`the gateway complained: ${complaint}`);
    if (only === undefined) for (const left of leftBehind(before, after)) violations.add(left);
    return { seed, cases, statuses, good: noticed, memory: { before, after }, violations: [...violations] };
  } catch (error) {
    throw new Error(`the fuzz run with seed ${seed} failed after ${[...violations].join('; ') || 'no violation'}`, {
      cause: error,
    });
  } finally {
    await gateway.dispose();
    await backend.close();
  }
}

async function idle(gateway: GatewayProcess): Promise<GatewayFigures> {
  await gateway.emptied(20_000);
  return gateway.figures();
}

/** /good and /echo are echoed, frame by frame; /evil/<case> does what its case and generation say. */
function serve(connection: RawBackendConnection, seed: number, violated: (what: string) => void): void {
  const { path, headers } = connection.request;
  const evil = /^\/evil\/(\d+)/.exec(path);
  if (evil !== null) {
    const generation = Number(headers['holdfast-generation'] ?? 1);
    void actAsBackend(connection, randomOf(seed, Number(evil[1]), generation));
    return;
  }
  const strict = new StrictPeer(true);
  const decoder = new FrameDecoder();
  // Nothing comes before the 101.
  connection.socket.on('data', (chunk: Buffer) => {
    for (const frame of decoder.push(chunk)) {
      strict.judge(frame);
      const { opcode, fin, payload } = frame;
      if (opcode === opcodes.close) void connection.sendFrame({ opcode, payload }).then(() => connection.fin());
      else if (opcode === opcodes.ping) void connection.pong(payload);
      else if (opcode !== opcodes.pong) void connection.sendFrame({ opcode, fin, payload });
    }
  });
  connection.socket.on('close', () => {
    for (const problem of strict.problems) violated(`to the backend, ${path}: ${problem}`);
  });
  void connection.accept();
}

const mib = (bytes: number): string => (bytes / 1_048_576).toFixed(2);

export function describeFuzz({ seed, cases, statuses, good, memory, violations }: FuzzReport): string {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  return [
    `  cases: ${list(cases)}`,
    `  answers to request heads: ${Object.entries(statuses)
      .map(([status, count]) => `${status}: ${count}`)
      .join(', ')}`,
    `  good client: ${good.messages} round trips, p99 ${good.p99Ms.toFixed(1)} ms`,
    `  memory held: ${mib(memory.before.heldBytes)} MiB before, ${mib(memory.after.heldBytes)} MiB after`,
    violations.length === 0
      ? '  no violation'
      : `VIOLATED (repeat with --seed ${seed}, one case with --only <number>):`,
    ...violations.map((violation) => `  ${violation}`),
  ].join('\n');
}
