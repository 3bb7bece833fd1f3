/** One lookup: which addresses and ports a name has now, and what of it could not be found out. */
import { Resolver } from 'node:dns/promises';
import type { DnsDiscoverySettings } from './settings.ts';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** Of the SRV record, 1 to 1000; null = it says nothing. */
  readonly weight: number | null;
}

export interface DnsAnswer {
  /** In no order, maybe some twice. */
  readonly endpoints: readonly Endpoint[];
  /** Questions without an answer; null = these are all that there are. */
  readonly problem: string | null;
}

type Question = Readonly<Pick<DnsDiscoverySettings, 'name' | 'records' | 'port' | 'timeoutMs' | 'servers'>>;
type Family = 'A' | 'AAAA';

/** Codes that are answers: there is no such name, or it has no such record. */
const nothing = new Set(['ENOTFOUND', 'ENODATA']);

/** Never rejects; ends within `timeoutMs`, or when `signal` says so. */
export async function askDns(question: Question, signal: AbortSignal): Promise<DnsAnswer> {
  // A new one each time: the servers of the system may have changed.
  const resolver = new Resolver({ timeout: Math.ceil(question.timeoutMs / 2), tries: 2 });
  if (question.servers.length > 0) resolver.setServers(question.servers);
  const problems: string[] = [];
  let over = signal.aborted;
  const end = (): void => {
    over = true;
    resolver.cancel();
  };
  const timer = setTimeout(end, question.timeoutMs);
  signal.addEventListener('abort', end, { once: true });

  const answered = async <T>(what: string, records: Promise<T[]>): Promise<T[]> => {
    try {
      return await records;
    } catch (error) {
      const { code = 'EUNKNOWN' } = error as NodeJS.ErrnoException;
      if (!nothing.has(code)) problems.push(`${what}: ${code === 'ECANCELLED' ? 'ETIMEOUT' : code}`);
      return [];
    }
  };
  const addresses = async (name: string, families: readonly Family[]): Promise<string[]> => {
    if (over) {
      problems.push(`${name}: ETIMEOUT`);
      return [];
    }
    const found = families.map((family) => {
      const records = family === 'A' ? resolver.resolve4(name) : resolver.resolve6(name);
      return answered(`${family} of ${name}`, records);
    });
    return (await Promise.all(found)).flat();
  };
  const services = async (): Promise<Endpoint[]> => {
    const records = await answered(`SRV of ${question.name}`, resolver.resolveSrv(question.name));
    // RFC 2782: those of a higher number are for when these cannot be reached; the name "." means that there is no service.
    const first = Math.min(...records.map(({ priority }) => priority));
    // As many as fit into an answer of 64 KiB; which of them are taken is for those to say who know what is there already.
    const targets = records.filter(
      ({ priority, name, port }) => priority === first && name !== '' && name !== '.' && port > 0,
    );
    const weighted = targets.some(({ weight }) => weight !== targets[0]?.weight);
    const names = [...new Set(targets.map(({ name }) => name))];
    const known = new Map<string, string[]>();
    await Promise.all(names.map(async (name) => known.set(name, await addresses(name, ['A', 'AAAA']))));
    return targets.flatMap(({ name, port, weight }) =>
      (known.get(name) ?? []).map((address) => ({ address, port, weight: weighted ? clamp(weight) : null })),
    );
  };

  try {
    const { name, records, port } = question;
    if (records === 'srv') return { endpoints: await services(), problem: textOf(problems) };
    const families: readonly Family[] = records === 'address' ? ['A', 'AAAA'] : records === 'a' ? ['A'] : ['AAAA'];
    const found = await addresses(name, families);
    const endpoints = found.map((address) => ({ address, port: port ?? 0, weight: null }));
    return { endpoints, problem: textOf(problems) };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

function textOf(problems: readonly string[]): string | null {
  if (problems.length === 0) return null;
  const more = problems.length > 3 ? ` and ${problems.length - 3} more` : '';
  return `${problems.slice(0, 3).join(', ')}${more}`;
}

/** RFC 2782: 0 to 65535, and 0 means hardly ever. */
function clamp(weight: number): number {
  return Math.min(Math.max(weight, 1), 1000);
}
