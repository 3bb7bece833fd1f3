/** Addresses and subnets, as an option lists them. Not `net.BlockList`: that makes an object outside the heap for each question. */
import { isIP } from 'node:net';
import { OptionsInvalid } from '../errors.ts';
import { groupMask, groupsOf } from './address-key.ts';

interface Range {
  readonly groups: readonly number[];
  /** How many of its bits count, of 128. */
  readonly bits: number;
}

export class AddressList {
  readonly #ranges: readonly Range[];

  /**
   * @param ranges each an address, or a subnet such as "10.0.0.0/8".
   * @param key the option, for the error.
   * @throws HOLDFAST_ERR_OPTIONS
   */
  constructor(ranges: readonly string[], key: string) {
    this.#ranges = ranges.map((range, index) => {
      const [address = '', bits, ...more] = range.split('/');
      const most = isIP(address) === 6 ? 128 : 32;
      const groups = groupsOf(address);
      const isRange = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most && more.length === 0);
      if (groups === null || !isRange)
        throw new OptionsInvalid(`${key}[${index}] (${range}) is no address and no subnet such as 10.0.0.0/8.`);
      // An IPv4 address is the last 32 bits of one of IPv6.
      return { groups, bits: Number(bits ?? most) + 128 - most };
    });
  }

  /** @param address '' or any other text that is no address is in no list. */
  has(address: string): boolean {
    const groups = groupsOf(address);
    return groups !== null && this.#ranges.some((range) => isIn(groups, range));
  }
}

function isIn(groups: readonly number[], range: Range): boolean {
  return range.groups.every((group, index) => ((group ^ (groups[index] ?? 0)) & groupMask(range.bits, index)) === 0);
}
