/** The whole suite in one go, and its results by section. */
import type { Owner } from '../support/owner.ts';
import type { Role } from './case.ts';
import { answerSections } from './cases/answers.ts';
import { requestSections } from './cases/requests.ts';
import { type Difference, deviationsOfWs, differences } from './differences.ts';
import { startAnswerRig, startRequestRig } from './handshakes.ts';
import { startRigs } from './rigs.ts';
import { plainSections, resumableSections, runSection, type SectionResult } from './suite.ts';

/** Who plays: a raw client before the gateway, such a one that speaks holdfast.v1, or a raw backend behind it. */
export const sides = ['client', 'client of holdfast.v1', 'backend', 'handshakes'] as const;
export type Side = (typeof sides)[number];

export interface SideReport {
  readonly side: Side;
  readonly sections: readonly SectionResult[];
  /** Failures of no one section. */
  readonly wrong: readonly string[];
}

/** Counts of the listed differences, filled by the sides that are also played without the gateway. */
export type DifferenceCounts = Map<Difference, number>;

/** @param fits which sections; default all. */
export async function runSide(
  t: Owner,
  side: Side,
  used: DifferenceCounts,
  fits: (title: string) => boolean = () => true,
): Promise<SideReport> {
  return side === 'handshakes' ? runHandshakes(t, fits) : runFrames(t, side, used, fits);
}

async function runFrames(
  t: Owner,
  side: Exclude<Side, 'handshakes'>,
  used: DifferenceCounts,
  fits: (title: string) => boolean,
): Promise<SideReport> {
  const { client, backend, openPipes } = await startRigs(t);
  const rigs = {
    client,
    'client of holdfast.v1': { alone: null, through: client.resumable },
    backend,
  }[side];
  const sections: SectionResult[] = [];
  for (const section of rigs.alone === null ? resumableSections : plainSections) {
    if (fits(section.title)) sections.push(await runSection(section, rigs, used));
  }
  const left = await openPipes();
  return { side, sections, wrong: left === 0 ? [] : [`${left} pipes are left`] };
}

async function runHandshakes(t: Owner, fits: (title: string) => boolean): Promise<SideReport> {
  const sections: SectionResult[] = [];
  const requests = await startRequestRig(t);
  for (const { title, cases } of requestSections.filter((one) => fits(one.title))) {
    sections.push({ title, played: cases.length, failures: await requests.play(cases) });
  }
  const answers = await startAnswerRig(t);
  for (const { title, cases } of answerSections.filter((one) => fits(one.title))) {
    sections.push({ title, played: cases.length, failures: await answers.play(cases) });
  }
  const served = await requests.patientIsServed();
  return { side: 'handshakes', sections, wrong: served ? [] : ['a client that waited for its backend was not served'] };
}

/** Rows of differences.ts that explained nothing, where `role` (default both) was played: they must go. */
export const unusedDifferences = (used: DifferenceCounts, role?: Role): string[] =>
  [...differences, ...deviationsOfWs]
    .filter((one) => !used.has(one) && (role === undefined || one.roles.includes(role)))
    .map(({ name }) => name);

/** One line a section: what was played and what failed. */
export function table({ side, sections }: SideReport): string[] {
  const title = `${side[0]!.toUpperCase()}${side.slice(1)}`;
  const rows = sections.map(
    ({ title, played, failures }) =>
      `  ${title.padEnd(68)}${`${played}`.padStart(6)}${`${failures.length}`.padStart(8)}`,
  );
  const played = sections.reduce((sum, one) => sum + one.played, 0);
  const failed = sections.reduce((sum, one) => sum + one.failures.length, 0);
  return [
    `${title.padEnd(70)}played  failed`,
    ...rows,
    `  ${'together'.padEnd(68)}${`${played}`.padStart(6)}${`${failed}`.padStart(8)}`,
  ];
}

/** The failures of a section, the first `most` in full. */
export function describeFailures({ failures }: SectionResult, most = 5): string {
  const shown = failures.slice(0, most).map((one) => [one.case, ...one.wrong.map((line) => `    ${line}`)].join('\n'));
  return [...shown, ...(failures.length > most ? [`and ${failures.length - most} more`] : [])].join('\n');
}

export function differenceTable(used: DifferenceCounts): string[] {
  const lines = (title: string, rows: readonly Difference[]): string[] => [
    title,
    ...rows.flatMap((one) => [`  ${`${used.get(one) ?? 0}`.padStart(6)}  ${one.name}`, `          ${one.why}`]),
  ];
  return [
    ...lines('What differs from the backend alone, and why', differences),
    ...lines('Where the gateway keeps to the RFC and `ws` does not', deviationsOfWs),
  ];
}
