/** Which addresses a list of addresses and subnets holds: the same as node's own BlockList says. */
import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { AddressList } from '../../src/limits/address-list.ts';

const familyOf = (address: string) => (isIP(address) === 6 ? 'ipv6' : 'ipv4');
const listed = (range: string, address: string): boolean => new AddressList([range], 'key').has(address);

function listedByNode(range: string, address: string): boolean {
  const list = new BlockList();
  const [first = '', bits] = range.split('/');
  list.addSubnet(first, Number(bits), familyOf(first));
  return list.check(address, familyOf(address));
}

test('addresses and subnets, IPv4 also as a server on :: sees them; what is no address is in no list', () => {
  for (const [range, inside, outside] of [
    ['203.0.113.7', ['203.0.113.7', '::ffff:203.0.113.7'], ['203.0.113.6', '::203.0.113.7']],
    ['10.0.0.0/8', ['10.255.255.255', '::ffff:10.1.2.3'], ['11.0.0.0', '9.255.255.255']],
    ['0.0.0.0/0', ['203.0.113.7'], ['2001:db8::1']],
    ['2001:db8::/33', ['2001:db8:7fff::1'], ['2001:db8:8000::1']],
    ['::1', ['::1', '0:0:0:0:0:0:0:1'], ['::2', '127.0.0.1']],
    ['fe80::/10', ['fe80::1%eth0'], ['fec0::1']],
  ] as const) {
    for (const address of inside) assert.equal(listed(range, address), true, `${address} in ${range}`);
    for (const address of outside) assert.equal(listed(range, address), false, `${address} in ${range}`);
  }
  for (const text of ['', 'localhost', '203.0.113', '::1::']) assert.equal(listed('::/0', text), false, text);
});

test('what is no address and no subnet is refused, and never taken for all addresses', () => {
  for (const range of [
    '',
    'localhost',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/33',
    '10.0.0.0/0x8',
    '10.0.0.0/8/8',
    '::/129',
  ])
    assert.throws(() => new AddressList([range], 'key'), { code: 'HOLDFAST_ERR_OPTIONS' }, range);
});

test('property: it says the same as BlockList of node', () => {
  const four = fc.tuple(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }));
  const six = fc.tuple(fc.ipV6(), fc.ipV6(), fc.integer({ min: 0, max: 128 }));
  fc.assert(
    fc.property(fc.oneof(four, six), ([first, other, bits]) => {
      const range = `${first}/${bits}`;
      assert.equal(listed(range, other), listedByNode(range, other));
      assert.equal(listed(range, first), true);
    }),
    { numRuns: 2000 },
  );
});
