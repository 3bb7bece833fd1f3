/** Names that lead where the test says, for all of this process: what a DNS server of somebody else may answer. */
import dns, { type LookupAddress } from 'node:dns';
import { isIPv6 } from 'node:net';
import type { TestContext } from 'node:test';

export interface Resolver {
  /** What `name` leads to from now on; none = there is no such name. */
  set(name: string, ...addresses: string[]): void;
  /** Lookups of this name get no answer. */
  silence(name: string): void;
  /** Lookups of this name so far. */
  asked(name: string): number;
}

type Done = (error: Error | null, addresses: LookupAddress[]) => void;

/** Other names are looked up as ever. Until the test ends. */
export function startResolver(t: TestContext): Resolver {
  const names = new Map<string, string[] | 'silent'>();
  const counts = new Map<string, number>();
  const real = dns.lookup as (name: string, options: object, done: Done) => void;
  t.mock.method(dns, 'lookup', (name: string, options: object, done: Done) => {
    const addresses = names.get(name);
    if (addresses === undefined) return real(name, options, done);
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (addresses === 'silent') return;
    const found = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
    const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND' });
    setImmediate(() => (found.length === 0 ? done(error, []) : done(null, found)));
  });
  return {
    set: (name, ...addresses) => void names.set(name, addresses),
    silence: (name) => void names.set(name, 'silent'),
    asked: (name) => counts.get(name) ?? 0,
  };
}
