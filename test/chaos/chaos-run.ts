/** One chaos run from start to verdict. */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../support/wait.ts';
import { Driver } from './driver.ts';
import { planChaos } from './schedule.ts';
import { type Delivery, type GatewayMemory, type GatewayState, type LoadReport, Stage } from './stage.ts';
import { judge, type Verdict } from './verify.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly delivery?: Delivery;
  readonly clients?: number;
  /** Default 500. */
  readonly sendMs?: number;
  /** Default 700. */
  readonly pushMs?: number;
  /** Failovers of every pipe before memory is measured. With fewer than the default 14 memory is not judged: the histories are not full. */
  readonly warmUpRounds?: number;
}

export interface ChaosReport extends Verdict {
  readonly seed: number;
  readonly delivery: Delivery;
  /** What the driver did, how often. */
  readonly actions: Readonly<Record<string, number>>;
  readonly timeline: readonly string[];
  readonly events: Readonly<Record<string, number>>;
  readonly state: GatewayState;
  readonly memory: { readonly before: GatewayMemory; readonly after: GatewayMemory };
  /** Records of the backends and events of the gateway; removed if all went well. */
  readonly folder: string;
}

/** Each leaves 4 events or more: then the history of each pipe, 50 events, is full. */
const enoughRounds = 14;
/** Share by which the memory held may have grown at the end. */
const memoryMargin = 0.1;

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, durationMs, delivery = 'at-least-once', clients = 300, sendMs = 500, pushMs = 700 } = options;
  const { warmUpRounds = enoughRounds } = options;
  const folder = mkdtempSync(join(tmpdir(), `holdfast-chaos-${seed}-`));
  const stage = await Stage.start({ seed, clients, delivery, folder, sendMs, pushMs });
  const driver = new Driver(stage);
  try {
    await stage.everyLoad('start');
    for (let round = 0; round < warmUpRounds; round += 1) await failOverAll(stage, clients);
    await stage.everyLoad('stop');
    await stage.settled(clients, 20_000).catch(() => {});
    const before = await stage.memory();
    await stage.everyLoad('start');

    await driver.run(planChaos(seed, durationMs));

    await stage.everyLoad('stop');
    await stage.hush();
    const problems: string[] = [];
    await stage.settled(clients, 30_000).catch((error: Error) => problems.push(error.message));
    const state = await stage.state();
    const after = await stage.memory();
    const events = await stage.gateway.request<Record<string, number>>({ do: 'counts' });
    const reports = await stage.everyLoad<LoadReport>('report');
    const verdict = judge(folder, reports, delivery);
    if (state.usedBytes !== 0) problems.push(`the budget still has ${state.usedBytes} bytes`);
    if (warmUpRounds >= enoughRounds && after.heldBytes > before.heldBytes * (1 + memoryMargin))
      problems.push(
        `memory went from ${before.heldBytes} to ${after.heldBytes} bytes: ${JSON.stringify({ before, after })}`,
      );
    const violations = [...problems, ...verdict.violations];
    const { timeline, counts: actions } = driver;
    if (violations.length === 0) rmSync(folder, { recursive: true });
    else appendFileSync(join(folder, 'timeline.log'), timeline.join('\n'));
    return {
      seed,
      delivery,
      actions,
      timeline,
      events,
      state,
      memory: { before, after },
      folder,
      ...verdict,
      violations,
    };
  } catch (error) {
    throw new Error(`the run with seed ${seed} failed; records in ${folder}\n${driver.timeline.join('\n')}`, {
      cause: error,
    });
  } finally {
    await stage.dispose();
  }
}

async function failOverAll(stage: Stage, clients: number): Promise<void> {
  await stage.gateway.request({ do: 'interruptAll' });
  await until(async () => (await stage.state()).states['open'] === clients, {
    timeoutMs: 20_000,
    intervalMs: 20,
    what: 'all pipes to be open again',
  });
}

/** What a run shows, in a few lines; with what was violated and the timeline where something was. */
export function describeRun(report: ChaosReport): string {
  const { seed, actions, sent, lost, twice, pushed, connections, events, memory, violations } = report;
  const did = Object.entries(actions).map(([kind, count]) => `${count} ${kind}`);
  const mib = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;
  const told = [
    'pipe.interrupted',
    'pipe.restored',
    'pipe.migrated',
    'heartbeat.timeout',
    'gateway.stalled',
    'pipe.paused',
  ];
  const lines = [
    `  driver: ${did.join(', ')}`,
    `  to backends: ${sent} messages, ${lost} lost, ${twice} twice; to clients: ${pushed} messages; ${connections} backend connections`,
    `  ${told.map((name) => `${name} ${events[name] ?? 0}`).join(', ')}`,
    `  memory held after gc: ${mib(memory.before.heldBytes)} before, ${mib(memory.after.heldBytes)} after`,
  ];
  if (violations.length === 0) return lines.join('\n');
  return [
    ...lines,
    `VIOLATED (repeat with --seed ${seed}; records in ${report.folder}):`,
    ...violations.map((violation) => `  ${violation}`),
    'What the driver did:',
    ...report.timeline.map((line) => `  ${line}`),
  ].join('\n');
}
