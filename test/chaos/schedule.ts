/** What the driver of a chaos run will do, drawn from the seed alone: the same seed gives the same schedule. */
import { seeded } from './payload.mjs';

export type Action =
  | { readonly do: 'kill'; readonly slot: number; readonly downMs: number }
  | { readonly do: 'freeze'; readonly slot: number; readonly ms: number }
  | { readonly do: 'stop'; readonly slot: number; readonly code: 1001 | 1012; readonly downMs: number }
  | { readonly do: 'partition'; readonly slot: number; readonly ms: number; readonly end: 'reset' | 'heal' }
  | { readonly do: 'drain'; readonly slot: number; readonly timeoutMs: number; readonly awayMs: number }
  | { readonly do: 'remove'; readonly slot: number; readonly awayMs: number }
  | { readonly do: 'cancel-drain'; readonly slot: number; readonly afterMs: number }
  | { readonly do: 'rebalance'; readonly slot: number }
  | { readonly do: 'heartbeat'; readonly intervalMs: number; readonly timeoutMs: number }
  | { readonly do: 'buffer'; readonly maxBytesPerPipe: number }
  | { readonly do: 'interrupt'; readonly pipes: number }
  | { readonly do: 'stall-gateway'; readonly ms: number };

export interface Planned {
  readonly atMs: number;
  readonly action: Action;
}

export const slots = 3;
/** Backends are given time to be dialled again before they are hit once more. */
const marginMs = 500;

const weights: readonly [Action['do'], number][] = [
  ['kill', 4],
  ['freeze', 4],
  ['stop', 3],
  ['partition', 3],
  ['drain', 3],
  ['remove', 1],
  ['cancel-drain', 1],
  ['rebalance', 2],
  ['heartbeat', 1],
  ['buffer', 1],
  ['interrupt', 2],
  ['stall-gateway', 1],
];

export function planChaos(seed: number, durationMs: number): readonly Planned[] {
  const random = seeded(seed);
  const between = (least: number, most: number): number => Math.round(least + random() * (most - least));
  const busyUntil = Array.from({ length: slots }, () => 0);
  const planned: Planned[] = [];
  for (let atMs = 500; atMs < durationMs; atMs += between(200, 1400)) {
    const action = draw(random, between);
    if ('slot' in action) {
      if (busyUntil[action.slot]! > atMs) continue;
      busyUntil[action.slot] = atMs + lengthOf(action) + marginMs;
    }
    planned.push({ atMs, action });
  }
  return planned;
}

function draw(random: () => number, between: (least: number, most: number) => number): Action {
  const slot = Math.floor(random() * slots);
  switch (drawKind(random)) {
    case 'kill':
      return { do: 'kill', slot, downMs: between(50, 2500) };
    case 'freeze':
      // Shorter and longer than the heartbeat's time-out.
      return { do: 'freeze', slot, ms: random() < 0.5 ? between(50, 500) : between(2500, 4000) };
    case 'stop':
      return { do: 'stop', slot, code: random() < 0.5 ? 1001 : 1012, downMs: between(50, 2500) };
    case 'partition':
      return { do: 'partition', slot, ms: between(300, 4000), end: random() < 0.7 ? 'reset' : 'heal' };
    case 'drain':
      return {
        do: 'drain',
        slot,
        timeoutMs: random() < 0.3 ? between(50, 400) : between(4000, 8000),
        awayMs: between(0, 1500),
      };
    case 'remove':
      return { do: 'remove', slot, awayMs: between(0, 1500) };
    case 'cancel-drain':
      return { do: 'cancel-drain', slot, afterMs: between(5, 400) };
    case 'rebalance':
      return { do: 'rebalance', slot };
    case 'heartbeat': {
      const intervalMs = between(250, 800);
      return { do: 'heartbeat', intervalMs, timeoutMs: intervalMs * between(2, 3) };
    }
    case 'buffer':
      return { do: 'buffer', maxBytesPerPipe: between(2_400_000, 6_000_000) };
    case 'interrupt':
      return { do: 'interrupt', pipes: between(1, 40) };
    case 'stall-gateway':
      return { do: 'stall-gateway', ms: between(100, 1500) };
  }
}

function drawKind(random: () => number): Action['do'] {
  let point = random() * weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [kind, weight] of weights) {
    point -= weight;
    if (point < 0) return kind;
  }
  return 'kill';
}

function lengthOf(action: Action): number {
  switch (action.do) {
    case 'kill':
    case 'stop':
      return action.downMs + 500;
    case 'freeze':
    case 'partition':
      return action.ms;
    case 'drain':
      return 3000 + action.awayMs;
    case 'remove':
      return action.awayMs;
    case 'cancel-drain':
      return action.afterMs;
    default:
      return 0;
  }
}
