import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressIn, addressKey } from '../../src/limits/address-key.ts';

test('IPv4 addresses count one by one, also as a server on :: sees them', () => {
  assert.equal(addressKey('203.0.113.7', 64), '203.0.113.7');
  for (const mapped of ['::ffff:203.0.113.7', '::FFFF:cb00:7107', '0:0:0:0:0:ffff:203.0.113.7'])
    assert.equal(addressKey(mapped, 64), '203.0.113.7', mapped);
});

test('IPv6 addresses count by their prefix, however they are written', () => {
  const same = [
    '2001:db8:0:1::1',
    '2001:0DB8:0000:0001:ffff:ffff:ffff:ffff',
    '2001:db8:0:1:2:3:192.0.2.1',
    '2001:db8::1:0:0:0:5%eth0',
  ];
  assert.deepEqual(new Set(same.map((one) => addressKey(one, 64))), new Set(['2001:db8:0:1::/64']));
  assert.notEqual(addressKey('2001:db8:0:2::1', 64), addressKey('2001:db8:0:1::1', 64));
  assert.equal(addressKey('2001:db8:0:2::1', 56), addressKey('2001:db8:0:1::1', 56));
  assert.equal(addressKey('2001:db8:0:ff12::1', 56), '2001:db8:0:ff00::/56');
  assert.equal(addressKey('2001:db8::1', 128), '2001:db8:0:0:0:0:0:1/128');
  assert.equal(addressKey('::1', 64), '::/64');
});

test('what is no address has no key', () => {
  for (const text of ['', 'localhost', '203.0.113.7.8', '2001:db8', '::1::'])
    assert.equal(addressKey(text, 64), '', text);
});

test('an address that a proxy names with its port, or in brackets, is that address', () => {
  for (const [text, address] of [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:4711', '203.0.113.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['[2001:db8::7]:4711', '2001:db8::7'],
    ['::ffff:203.0.113.7', '::ffff:203.0.113.7'],
  ] as const)
    assert.equal(addressIn(text), address, text);
  for (const text of [
    '',
    'unknown',
    '_hidden',
    'host:80',
    '203.0.113:80',
    '203.0.113.7:',
    '[2001:db8]:80',
    '[]:80',
    '203.0.113.7:80:1',
    `fe80::1%${'x'.repeat(60)}`,
  ])
    assert.equal(addressIn(text), '', text);
});

test('property: two addresses have the same key if and only if their first bits are the same', () => {
  const bits = fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(bits, bits, fc.integer({ min: 1, max: 128 }), (one, other, prefix) => {
      fc.pre(one.slice(0, 6).some((group) => group !== 0) && other.slice(0, 6).some((group) => group !== 0));
      fc.pre(one[5] !== 0xffff && other[5] !== 0xffff);
      // Share the first part often.
      const mixed = [...one.slice(0, Math.floor(prefix / 16)), ...other.slice(Math.floor(prefix / 16))];
      const text = (groups: readonly number[]) => groups.map((group) => group.toString(16)).join(':');
      const binary = (groups: readonly number[]) =>
        groups
          .map((group) => group.toString(2).padStart(16, '0'))
          .join('')
          .slice(0, prefix);
      assert.equal(addressKey(text(one), prefix) === addressKey(text(mixed), prefix), binary(one) === binary(mixed));
    }),
  );
});
