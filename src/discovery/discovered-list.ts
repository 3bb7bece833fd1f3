/**
 * Which of the backends that DNS has named are to be there. Pure: answers and times come in, decisions go out. What comes in another
 * order, or twice, is the same; what is missing is left alone for a while.
 */
import type { Endpoint } from './dns-answer.ts';

export interface ListedEndpoint extends Endpoint {
  /** Made of address and port, so it is the same after a restart and on every gateway. */
  readonly id: string;
}

export interface Decisions {
  /** To be registered. Who cannot be is told by `drop`. */
  readonly joined: readonly ListedEndpoint[];
  /** Were leaving, and are named again. */
  readonly returned: readonly ListedEndpoint[];
  /** Have another weight than before. */
  readonly reweighted: readonly ListedEndpoint[];
  /** Missing for longer than the grace. */
  readonly left: readonly ListedEndpoint[];
  /** Named, but more than there may be. */
  readonly surplus: number;
}

export interface ListLimits {
  readonly graceMs: number;
  readonly max: number;
}

/**
 * `present`: named lately. `leaving`: missing for too long, its removal has begun. `expelled`: it was removed by somebody else while it was
 * named, and comes back only after it was missing.
 */
type MemberState = 'present' | 'leaving' | 'expelled';

interface Member {
  endpoint: ListedEndpoint;
  state: MemberState;
  /** Null = it is in the latest answer. */
  missingSince: number | null;
}

export class DiscoveredList {
  readonly #limits: ListLimits;
  readonly #members = new Map<string, Member>();

  constructor(limits: ListLimits) {
    this.#limits = limits;
  }

  /** Named lately, and not expelled. */
  get size(): number {
    let count = 0;
    for (const { state } of this.#members.values()) if (state === 'present') count += 1;
    return count;
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  /** @param complete false = nothing counts as missing for not being in `endpoints`. @param now monotonic ms */
  apply(endpoints: readonly Endpoint[], complete: boolean, now: number): Decisions {
    const { named, surplus } = this.#choose(endpoints);
    const decisions = { joined: [], returned: [], reweighted: [], left: [], surplus } as {
      [K in Exclude<keyof Decisions, 'surplus'>]: ListedEndpoint[];
    } & { surplus: number };
    for (const endpoint of named.values()) {
      const member = this.#members.get(endpoint.id);
      if (member === undefined) {
        this.#members.set(endpoint.id, { endpoint, state: 'present', missingSince: null });
        decisions.joined.push(endpoint);
        continue;
      }
      member.missingSince = null;
      if (member.state === 'leaving') {
        member.state = 'present';
        decisions.returned.push(endpoint);
      }
      if (member.state === 'present' && member.endpoint.weight !== endpoint.weight) decisions.reweighted.push(endpoint);
      member.endpoint = endpoint;
    }
    if (complete)
      for (const [id, member] of this.#members) if (!named.has(id)) this.#miss(id, member, now, decisions.left);
    return decisions;
  }

  /** It could not be registered: it is joined again by the next answer that names it. */
  drop(id: string): void {
    this.#members.delete(id);
  }

  /** It is in the pool no more, by whomever. */
  removed(id: string): void {
    const member = this.#members.get(id);
    if (member?.state === 'leaving') this.#members.delete(id);
    else if (member !== undefined) member.state = 'expelled';
  }

  /** An operator has ended its removal: it is left alone for another grace. */
  revived(id: string): void {
    const member = this.#members.get(id);
    if (member?.state !== 'leaving') return;
    member.state = 'present';
    member.missingSince = null;
  }

  #miss(id: string, member: Member, now: number, left: ListedEndpoint[]): void {
    member.missingSince ??= now;
    if (now - member.missingSince < this.#limits.graceMs || member.state === 'leaving') return;
    if (member.state === 'expelled') {
      this.#members.delete(id);
      return;
    }
    member.state = 'leaving';
    left.push(member.endpoint);
  }

  /** Those that are there first, then in the order of their ids, so that an answer that is too long changes nothing. */
  #choose(endpoints: readonly Endpoint[]): { named: Map<string, ListedEndpoint>; surplus: number } {
    const all = new Map<string, ListedEndpoint>();
    for (const endpoint of endpoints) {
      const id = endpointId(endpoint);
      // Two SRV targets may have one address; which weight counts must not hang on the order of the answer, which turns.
      if ((all.get(id)?.weight ?? 0) <= (endpoint.weight ?? 0)) all.set(id, { ...endpoint, id });
    }
    const rank = (id: string): number => (this.#members.has(id) ? 0 : 1);
    const ids = [...all.keys()].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
    const named = new Map(ids.slice(0, this.#limits.max).map((id) => [id, all.get(id)!]));
    return { named, surplus: Math.max(0, ids.length - this.#limits.max) };
  }
}

/** 10.0.0.7-9000, or fd00--7-9000: the characters that an id may have. */
export function endpointId({ address, port }: Pick<Endpoint, 'address' | 'port'>): string {
  return `${address.toLowerCase().replaceAll(':', '-')}-${port}`;
}
