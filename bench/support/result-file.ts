/** What a run of the bench leaves behind: everything measured, and on what. The tables and charts are made from it. */
import { readFileSync } from 'node:fs';
import type { FailoverRow } from '../groups/failover.ts';
import type { GrowthResult } from '../groups/growth.ts';
import type { HeartbeatResult } from '../groups/heartbeat.ts';
import type { MemoryResult } from '../groups/memory.ts';
import type { CellResult } from '../groups/relay.ts';
import type { SetupResult } from '../groups/setup.ts';
import type { Machine } from './machine.ts';

export interface BenchResult {
  /** ISO 8601. */
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  /** Relays alone on core 0, load and backend on core 1. */
  readonly pinned: boolean;
  /** Ahead of whatever else the machine did. */
  readonly priority?: boolean;
  readonly quick: boolean;
  readonly seconds: number;
  /** By name; '' = none. */
  readonly versions: Readonly<Record<string, string>>;
  readonly goals?: readonly CellResult[];
  readonly relay?: readonly CellResult[];
  readonly journal?: readonly CellResult[];
  readonly setup?: SetupResult;
  readonly memory?: MemoryResult;
  readonly heartbeat?: HeartbeatResult;
  readonly failover?: readonly FailoverRow[];
  readonly growth?: GrowthResult;
}

export const groupNames = [
  'goals',
  'relay',
  'journal',
  'setup',
  'memory',
  'heartbeat',
  'failover',
  'growth',
] as const satisfies readonly (keyof BenchResult)[];
export type GroupName = (typeof groupNames)[number];

/** The run that README and docs/PERFORMANCE.md show. */
export const publishedFile = new URL('../results/published.json', import.meta.url);

export function readResult(file: URL | string): BenchResult {
  return JSON.parse(readFileSync(file, 'utf8')) as BenchResult;
}
