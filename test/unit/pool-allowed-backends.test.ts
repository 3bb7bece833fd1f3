/** What may be a backend: the url at registration, the address at each dial, in every notation that leads to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { resolveOptions } from '../../src/options.ts';
import { AllowedBackends } from '../../src/pool/allowed-backends.ts';

type Given = NonNullable<Parameters<typeof resolveOptions>[0]['allowedBackends']>;
const allowed = (given: Given = {}) => new AllowedBackends(resolveOptions({ allowedBackends: given }).allowedBackends);
const url = (policy: AllowedBackends, text: string) => policy.refuseUrl(new URL(text));

test('by default loopback, private networks and every name may be a backend', () => {
  const policy = allowed();
  for (const text of ['ws://127.0.0.1:9000', 'ws://[::1]:9000', 'ws://10.1.2.3', 'wss://[fd12::1]/x', 'wss://any.name'])
    assert.equal(url(policy, text), null, text);
  assert.equal(new AllowedBackends().refuseAddress('10.0.0.1'), null);
});

test('link-local and metadata addresses are refused in every notation', () => {
  const policy = allowed();
  const refused = [
    'ws://169.254.169.254/latest/meta-data',
    'ws://169.254.169.254.:80',
    'ws://2852039166',
    'ws://0xa9.254.0xa9fe',
    'ws://0251.0376.0251.0376',
    'ws://169.254.43518',
    'ws://①⑥⑨.254.169.254',
    'ws://[::ffff:169.254.169.254]',
    'ws://[::ffff:a9fe:a9fe]:9000',
    'ws://[::169.254.169.254]',
    'ws://[::ffff:0:169.254.169.254]',
    'ws://[64:ff9b::169.254.169.254]',
    'ws://[64:ff9b:1::a9fe:a9fe]',
    'ws://[64:ff9b:1:a9fe:a9:fe00:808:808]',
    'ws://[64:ff9b:1:a9:fe:a9fe::]',
    'ws://[64:ff9b:1:0:a9:fea9:fe00:0]',
    'ws://[2001:db8::5efe:a9fe:a9fe]',
    'ws://[2001:db8::200:5efe:169.254.169.254]',
    'ws://[2002:a9fe:a9fe::1]',
    'ws://[2001:0:a9fe:a9fe::1]',
    'ws://[2001:0:1:1::5601:5601]',
    'ws://[fe80::1]',
    'ws://[febf:ffff::1]',
    'ws://[fd00:ec2::254]',
    'ws://[FD00:0EC2:0:0:0:0:0:254]',
    'ws://100.100.100.200',
    'ws://168.63.129.16',
    'ws://0.0.0.0:9000',
    'ws://0',
    'ws://[::]:9000',
    'ws://224.0.0.1',
    'ws://[ff02::1]',
    'ws://255.255.255.255',
  ];
  for (const text of refused) assert.notEqual(url(policy, text), null, text);
  for (const address of ['169.254.0.1', 'fe80::1%eth0', '::ffff:169.254.0.1', 'not an address', ''])
    assert.notEqual(policy.refuseAddress(address), null, address);
  for (const address of [
    '169.253.255.255',
    '169.255.0.0',
    'fec0::1',
    '100.100.100.201',
    '::1',
    '2002:a00:1::1',
    '64:ff9b:1::808:808',
    '2001:db8::5efe:808:808',
  ])
    assert.equal(policy.refuseAddress(address), null, address);
  const open = allowed({ linkLocal: true });
  for (const text of refused) assert.equal(url(open, text), null, text);
});

test('any address of a refused network is refused in the forms of IPv6 too', () => {
  const policy = allowed({ exceptAddresses: ['10.0.0.0/8', 'fd00::/8'] });
  const byte = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(byte, byte, byte, (b, c, d) => {
      const v4 = `10.${b}.${c}.${d}`;
      const hex = [10 * 256 + b, c * 256 + d].map((group) => group.toString(16)).join(':');
      for (const form of [
        v4,
        `::ffff:${v4}`,
        `::ffff:${hex}`,
        `64:ff9b::${hex}`,
        `2002:${hex}::${d}`,
        `fd${'00'}:${hex}::`,
      ])
        assert.notEqual(policy.refuseAddress(form), null, form);
      assert.equal(policy.refuseAddress(`11.${b}.${c}.${d}`), null);
    }),
  );
});

test('a list of hosts takes names, all names below one, addresses and networks', () => {
  const policy = allowed({ hosts: ['chat.example.com', '*.Internal.', '10.2.0.0/16', 'fd12::/16', 'Bücher.example'] });
  for (const host of [
    'chat.example.com',
    'CHAT.example.com.',
    'a.internal',
    'a.b.internal',
    '10.2.9.9',
    '[fd12::7]',
    'b%C3%BCcher.example',
    '[::ffff:10.2.0.1]',
  ])
    assert.equal(url(policy, `ws://${host}:9000`), null, host);
  for (const host of [
    'example.com',
    'x.chat.example.com',
    'internal',
    'evilinternal',
    'a.internal.evil.com',
    '10.3.0.1',
    '[fd13::7]',
    'localhost',
  ])
    assert.match(url(policy, `ws://${host}:9000`) ?? '', /allowedBackends\.hosts/, host);
});

test('schemes, ports and networks are judged, and the refusal names the key', () => {
  const policy = allowed({
    schemes: ['wss'],
    ports: ['443', '9000-9002'],
    addresses: ['10.0.0.0/8'],
    exceptAddresses: ['10.9.0.0/16'],
  });
  for (const text of [
    'wss://10.1.1.1',
    'wss://10.1.1.1:443',
    'wss://10.1.1.1:9002',
    'wss://a.name:9000',
    'wss://[::ffff:10.1.1.1]:9000',
  ])
    assert.equal(url(policy, text), null, text);
  assert.match(url(policy, 'ws://10.1.1.1:9000') ?? '', /schemes/);
  assert.match(url(policy, 'wss://10.1.1.1:9003') ?? '', /port 9003 .*ports/);
  assert.match(url(policy, 'wss://11.1.1.1:9000') ?? '', /allowedBackends\.addresses/);
  assert.match(url(policy, 'wss://10.9.1.1:9000') ?? '', /exceptAddresses/);
  assert.match(url(policy, 'wss://[fd00::1]:9000') ?? '', /allowedBackends\.addresses/);
  assert.match(policy.refuseAddress('127.0.0.1') ?? '', /allowedBackends\.addresses/);
  assert.match(url(allowed({ ports: ['443'] }), 'ws://10.1.1.1') ?? '', /port 80 /);
});

test('an entry that cannot be read is an error that names its key', () => {
  const wrong: [Given, RegExp][] = [
    [{ addresses: ['10.0.0.0/33'] }, /addresses: 10\.0\.0\.0\/33/],
    [{ addresses: ['ten'] }, /addresses: ten/],
    [{ exceptAddresses: ['fe80::1%eth0'] }, /exceptAddresses/],
    [{ exceptAddresses: ['::/129'] }, /exceptAddresses/],
    [{ hosts: ['a', '*.*.b'] }, /hosts\[1\]/],
    [{ hosts: ['ws://a'] }, /hosts\[0\]/],
    [{ hosts: ['*.'] }, /hosts\[0\]/],
    [{ hosts: ['10.0.0.0/40'] }, /hosts: 10\.0\.0\.0\/40/],
    [{ ports: ['9000', '0'] }, /ports\[1\]/],
    [{ ports: ['9001-9000'] }, /ports\[0\]/],
    [{ ports: ['65536'] }, /ports\[0\]/],
    [{ schemes: ['http'] as never }, /allowedBackends\.schemes/],
    [{ hosts: [] }, /allowedBackends\.hosts/],
  ];
  for (const [given, message] of wrong)
    assert.throws(() => allowed(given), { code: 'HOLDFAST_ERR_OPTIONS', message }, JSON.stringify(given));
});
