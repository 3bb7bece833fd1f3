/** All frame cases, played by both ends, each without and with the gateway in between. */

import { type FrameCase, type Role, type Section, sizeOf } from './case.ts';
import { closing } from './cases/close.ts';
import { control } from './cases/control.ts';
import { endings } from './cases/endings.ts';
import { fragmentation } from './cases/fragmentation.ts';
import { framing } from './cases/framing.ts';
import { records } from './cases/records.ts';
import { splits } from './cases/splits.ts';
import { plainMarks, utf8 } from './cases/utf8.ts';
import type { Difference } from './differences.ts';
import { compare, judge } from './judge.ts';
import { type Observation, play, type Writes } from './player.ts';
import type { Rig } from './rigs.ts';

const common: readonly Section[] = [
  ...framing,
  ...splits,
  ...control,
  ...fragmentation,
  ...closing,
  ...endings,
  ...utf8,
];
/** What is played on plain connections, and on those of holdfast.v1. */
export const plainSections: readonly Section[] = [...common, plainMarks];
export const resumableSections: readonly Section[] = [...common, ...records];

export interface Failure {
  readonly case: string;
  readonly wrong: readonly string[];
}

export interface SectionResult {
  readonly title: string;
  /** Cases, each in up to three ways of writing. */
  readonly played: number;
  readonly failures: readonly Failure[];
}

/** More at a time wait for each other rather than for the network. */
const atOnce = 24;
/** Longer scripts are not also sent byte by byte. */
const mostSingleBytes = 64;

interface Play {
  readonly one: FrameCase;
  readonly writes: Writes;
}

function playsOf({ cases }: Section, role: Role): Play[] {
  return cases
    .filter(({ roles }) => roles?.includes(role) ?? true)
    .flatMap((one) => {
      const plays: Play[] = [{ one, writes: 'as written' }];
      if (one.writes === 'as written') return plays;
      const frames = one.steps.flatMap((step) => ('send' in step ? step.send : []));
      if (one.steps.length > 1) plays.push({ one, writes: 'in one write' });
      if (sizeOf(frames, role) <= mostSingleBytes) plays.push({ one, writes: 'byte by byte' });
      return plays;
    });
}

/**
 * @param rigs `alone` null = only the RFC is asked, not the connection without the gateway.
 * @param used counts how often each listed difference was seen.
 */
export async function runSection(
  section: Section,
  rigs: { readonly alone: Rig | null; readonly through: Rig },
  used: Map<Difference, number>,
): Promise<SectionResult> {
  const { role } = rigs.through;
  const plays = playsOf(section, role);
  const failures: Failure[] = [];
  const attempt = async ({ one, writes }: Play): Promise<void> => {
    const name = `${one.name} (RFC 6455 section ${one.rfc}; ${role}, ${writes})`;
    try {
      const through = await play(one, writes, rigs.through);
      const wrong = judge(one, role, through);
      const alone: Observation | null = rigs.alone === null ? null : await play(one, writes, rigs.alone);
      if (alone !== null) wrong.push(...compare({ role, one, alone, through }, used));
      if (wrong.length > 0) failures.push({ case: name, wrong });
    } catch (error) {
      failures.push({ case: name, wrong: [error instanceof Error ? error.message : String(error)] });
    }
  };
  const waiting = plays.values();
  const worker = async (): Promise<void> => {
    for (const one of waiting) await attempt(one);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { title: section.title, played: plays.length, failures };
}
