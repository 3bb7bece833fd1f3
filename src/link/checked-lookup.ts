/** Name resolution for a dial that answers only addresses that may be connected to, so that none can slip in between check and connection. */
import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { SharedLookups } from './shared-lookups.ts';

/** Why this address may not be connected to; null = it may. */
export type RefuseAddress = (address: string) => string | null;

/** The name leads nowhere but to addresses that may not be connected to; the message says which and why. */
export class AddressBlocked extends Error {
  override readonly name = 'AddressBlocked';
}

/** Of all in this process, as the threads are that resolve names. */
const lookups = new SharedLookups({
  resolve: (hostname, options, done) => dns.lookup(hostname, options, done),
  now: () => performance.now(),
});

/** For the option `lookup` of net.connect and tls.connect. Fails with AddressBlocked. */
export function checkedLookup(refuse: RefuseAddress): LookupFunction {
  return (hostname, options, callback) => {
    lookups.lookup(hostname, options, (error, found) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const reasons: string[] = [];
      const addresses = found.filter(({ address }) => {
        const reason = refuse(address);
        if (reason !== null) reasons.push(reason);
        return reason === null;
      });
      const [first] = addresses;
      if (first === undefined) callback(new AddressBlocked(reasons.join(', ') || `${hostname} has no address`), []);
      else if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}
