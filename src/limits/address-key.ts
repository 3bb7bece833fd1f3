/**
 * Whom an address counts as. An IPv4 address is one client or one NAT. In IPv6 a whole prefix, usually a /64, belongs to one network and
 * each machine in it takes new addresses as it likes (RFC 8981), so addresses are counted by their prefix.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';

const groups = 8;
const groupBits = 16;

/**
 * @param prefixBits how much of an IPv6 address counts, 1 to 128.
 * @returns one text for all addresses that count as one, such as "203.0.113.7" or "2001:db8:0:1::/64"; '' where it is no address.
 */
export function addressKey(address: string, prefixBits: number): string {
  if (isIPv4(address)) return address;
  const numbers = groupsOf(address);
  if (numbers === null) return '';
  if (isMapped(numbers)) return fourBytes(numbers);
  const kept = numbers.map((number, index) => number & groupMask(prefixBits, index));
  while (kept.length > 0 && kept.at(-1) === 0) kept.pop();
  const text = kept.map((number) => number.toString(16)).join(':');
  return `${text}${kept.length === groups ? '' : '::'}/${prefixBits}`;
}

/** @returns the eight groups of 16 bits of an address, IPv4 as ::ffff:203.0.113.7; null where it is no address. */
export function groupsOf(address: string): readonly number[] | null {
  if (isIPv4(address)) {
    const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
    return [0, 0, 0, 0, 0, 0xffff, a * 256 + b, c * 256 + d];
  }
  // The zone of a link-local address (fe80::1%eth0) says which interface of ours it came by.
  const bare = address.split('%', 1)[0] ?? '';
  return isIPv6(bare) ? expand(bare) : null;
}

/** What of the group at `index` belongs to the first `prefixBits` of an address. */
export function groupMask(prefixBits: number, index: number): number {
  const bits = Math.min(groupBits, Math.max(0, prefixBits - index * groupBits));
  return (0xffff << (groupBits - bits)) & 0xffff;
}

/** Longer than any address with its zone: what a client makes up must fit into a row and a log line. */
const maxLength = 64;
const bracketsAndPort = /^(?:\[([^[\]]+)\]|([\d.]+))(?::\d+)?$/;

/**
 * @param text an address as a proxy names it (RFC 7239 section 6): some add the port, "203.0.113.7:4711" or "[2001:db8::1]:4711".
 * @returns the address alone; '' where there is none.
 */
export function addressIn(text: string): string {
  if (text.length > maxLength) return '';
  if (isIP(text) !== 0) return text;
  const [, six, four] = bracketsAndPort.exec(text) ?? [];
  const address = six ?? four ?? '';
  return isIP(address) === 0 ? '' : address;
}

/** The eight groups of an IPv6 address. */
function expand(address: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const plain =
    dotted === null
      ? address
      : `${dotted[1]}${hex(Number(dotted[2]), Number(dotted[3]))}:${hex(Number(dotted[4]), Number(dotted[5]))}`;
  const [before = '', after] = plain.split('::');
  const head = numbersOf(before);
  if (after === undefined) return head;
  const tail = numbersOf(after);
  return [...head, ...new Array<number>(groups - head.length - tail.length).fill(0), ...tail];
}

function numbersOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function hex(high: number, low: number): string {
  return (high * 256 + low).toString(16);
}

/** ::ffff:203.0.113.7, as a server that listens on :: sees IPv4 clients. */
function isMapped(numbers: readonly number[]): boolean {
  return numbers[5] === 0xffff && numbers.slice(0, 5).every((number) => number === 0);
}

function fourBytes(numbers: readonly number[]): string {
  const [high = 0, low = 0] = numbers.slice(6);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}
