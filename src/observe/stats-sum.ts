/** Adds up what several gateways say of themselves. Pure. */
import { type StatsReport, type WindowName, windowNames } from './stats.ts';
import { addGaps } from './windows.ts';

export interface GatewayReport {
  readonly gateway: string;
  readonly report: StatsReport;
}

/** Of so many gateways it is said why they are unstable. */
const reasonsShown = 5;

/**
 * Counts, bytes and traffic are added; percentiles of gaps are those of all gaps together; of delays of event loops the longest counts.
 * Unstable = at least one of them is. What cannot be added, for all of them have the same one, is as `own` says: backends, `at`, `uptimeMs`.
 */
export function sumReports(own: GatewayReport, others: readonly GatewayReport[]): StatsReport {
  const all = [own, ...others].sort((one, other) => (one.gateway < other.gateway ? -1 : 1));
  const unstable = all.filter(({ report }) => report.unstable);
  const reports = all.map(({ report }) => report);
  const { at, uptimeMs, backends } = own.report;
  return {
    ...{ at, uptimeMs, backends },
    unstable: unstable.length > 0,
    reason: unstable.length > 0 ? explain(unstable) : null,
    pipes: total(reports.map(({ pipes }) => pipes)),
    buffer: total(reports.map(({ buffer }) => buffer)),
    eventLoop: {
      ...total(reports.map(({ eventLoop }) => eventLoop)),
      lagMs: Math.max(...reports.map(({ eventLoop }) => eventLoop.lagMs)),
    },
    totals: total(reports.map(({ totals }) => totals)),
    windows: Object.fromEntries(windowNames.map((name) => [name, sumWindows(reports, name)])) as StatsReport['windows'],
  };
}

function sumWindows(reports: readonly StatsReport[], name: WindowName): StatsReport['windows'][WindowName] {
  const windows = reports.map((report) => report.windows[name]);
  const counts = total(windows.map(({ gaps: _gaps, ...counts }) => counts));
  return { ...counts, gaps: windows.map(({ gaps }) => gaps).reduce(addGaps) };
}

function explain(unstable: readonly GatewayReport[]): string {
  const shown = unstable.slice(0, reasonsShown).map(({ gateway, report }) => `${gateway}: ${report.reason}`);
  const more = unstable.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more gateways`] : [])].join('; ');
}

/** Each number of the first and what the others have in its place. */
function total<T extends object>(figures: readonly T[]): T {
  return figures.reduce((sum, more) => add(sum as Figures, more as Figures) as T);
}

type Figures = { readonly [name: string]: number | Figures };

function add(sum: Figures, more: Figures): Figures {
  const added = Object.entries(sum).map(([name, figure]) => {
    const other = more[name]!;
    return [name, typeof figure === 'number' ? figure + (other as number) : add(figure, other as Figures)];
  });
  return Object.fromEntries(added) as Figures;
}
