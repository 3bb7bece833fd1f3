/** Addresses and subnets, as an option lists them. */
import { BlockList, isIP } from 'node:net';
import { OptionsInvalid } from '../errors.ts';

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');

export class AddressList {
  readonly #list = new BlockList();

  /**
   * @param ranges each an address, or a subnet such as "10.0.0.0/8".
   * @param key the option, for the error.
   * @throws HOLDFAST_ERR_OPTIONS
   */
  constructor(ranges: readonly string[], key: string) {
    for (const [index, range] of ranges.entries()) {
      const [address = '', bits] = range.split('/');
      const most = isIP(address) === 6 ? 128 : 32;
      if (isIP(address) === 0 || (bits !== undefined && !(Number(bits) <= most)))
        throw new OptionsInvalid(`${key}[${index}] (${range}) is no address and no subnet such as 10.0.0.0/8.`);
      if (bits === undefined) this.#list.addAddress(address, familyOf(address));
      else this.#list.addSubnet(address, Number(bits), familyOf(address));
    }
  }

  /** @param address '' or any other text that is no address is in no list. */
  has(address: string): boolean {
    return isIP(address) !== 0 && this.#list.check(address, familyOf(address));
  }
}
