/** What is measured how often: a full run takes some 20 minutes, a quick one 5. */
import type { HeartbeatPlan } from './heartbeat.ts';
import type { Cell, RelayPlan } from './relay.ts';
import type { SetupPlan } from './setup.ts';

export interface Plans {
  readonly goals: RelayPlan;
  readonly relay: RelayPlan;
  readonly journal: RelayPlan;
  readonly setup: SetupPlan;
  /** Idle pipes, ascending. */
  readonly memory: readonly number[];
  readonly heartbeat: HeartbeatPlan;
  readonly failover: { readonly pipes: number; readonly restartPipes: number };
  readonly growth: {
    readonly backends: readonly number[];
    readonly pipes: readonly number[];
    readonly connections: number;
  };
}

const cell = (connections: number, inFlight: number, bytes: number): Cell => ({ connections, inFlight, bytes });

/** DESIGN section 14. */
const goalCells = [cell(50, 4, 128), cell(50, 1, 128), cell(20, 4, 16_384)];

/** One of the three varies at a time. */
const relayCells = [
  cell(50, 4, 32),
  cell(50, 4, 1024),
  cell(50, 4, 16_384),
  cell(20, 4, 131_072),
  cell(8, 2, 2 ** 20),
  cell(50, 64, 128),
  cell(1, 1, 128),
  cell(1000, 1, 128),
  cell(1000, 4, 128),
];

export const fullPlans: Plans = {
  goals: { cells: goalCells, rounds: 6, slices: 2, sliceMs: 500 },
  relay: { cells: relayCells, rounds: 3, slices: 2, sliceMs: 250 },
  journal: { cells: goalCells, rounds: 8, slices: 2, sliceMs: 500 },
  setup: { connections: 2000, concurrency: 50, rounds: 3 },
  memory: [100, 1000, 5000, 9000],
  heartbeat: {
    pipes: 5000,
    intervals: [
      { intervalMs: 1000, seconds: 10 },
      { intervalMs: 0, seconds: 5 },
      { intervalMs: 25_000, seconds: 25 },
    ],
  },
  failover: { pipes: 2000, restartPipes: 5000 },
  growth: { backends: [1, 10, 100, 1000], pipes: [100, 1000, 5000, 9000], connections: 1000 },
};

export const quickPlans: Plans = {
  goals: { ...fullPlans.goals, rounds: 2 },
  relay: { ...fullPlans.relay, rounds: 1, slices: 1 },
  journal: { ...fullPlans.journal, rounds: 2, sliceMs: 300 },
  setup: { connections: 500, concurrency: 50, rounds: 1 },
  memory: [100, 1000],
  heartbeat: {
    pipes: 1000,
    intervals: [
      { intervalMs: 1000, seconds: 5 },
      { intervalMs: 0, seconds: 3 },
    ],
  },
  failover: { pipes: 300, restartPipes: 500 },
  growth: { backends: [1, 100], pipes: [100, 1000], connections: 300 },
};
