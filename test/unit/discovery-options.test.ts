import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSettings } from '../../src/config.ts';
import { type HoldfastOptions, resolveOptions } from '../../src/options.ts';

type Dns = NonNullable<NonNullable<HoldfastOptions['discovery']>['dns']>;
const resolve = (dns: Dns) => resolveOptions({ discovery: { dns } }).discovery?.dns;
const refuses = (dns: Dns, message: RegExp) =>
  assert.throws(() => resolve(dns), { code: 'HOLDFAST_ERR_OPTIONS', message }, JSON.stringify(dns));

test('a name and a port are enough', () => {
  const { intervalMs, graceMs, records, scheme, path, removal, onEmpty } = resolve({ name: 'chat.test', port: 9000 })!;
  assert.deepEqual(
    { intervalMs, graceMs, records, scheme, path, removal, onEmpty },
    {
      intervalMs: 5000,
      graceMs: 10_000,
      records: 'address',
      scheme: 'ws',
      path: '/',
      removal: 'migrate',
      onEmpty: 'keep',
    },
  );
  assert.equal(resolveOptions({}).discovery, undefined);
});

test('contradictions are refused, by both keys', () => {
  refuses({ name: 'chat.test' }, /discovery\.dns\.port is missing.*discovery\.dns\.records/);
  refuses({ name: 'chat.test', records: 'srv', port: 9 }, /discovery\.dns\.port.*discovery\.dns\.records/);
  assert.ok(resolve({ name: '_ws._tcp.chat.test', records: 'srv' }));
});

test('names, servers and paths that cannot be are refused', () => {
  for (const name of ['', 'two words', 'ws://chat', '-x', 'x'.repeat(300)])
    refuses({ name, port: 9 }, /discovery\.dns\.name/);
  for (const server of ['dns.test', '10.0.0.1:0', '10.0.0.1:70000', '[10.0.0.1]:53', '[fd00::1', 'fd00::1:53x'])
    refuses({ name: 'chat.test', port: 9, servers: ['10.0.0.1', server] }, /discovery\.dns\.servers\[1\]/);
  for (const servers of [['10.0.0.1:53'], ['fd00::1'], ['[fd00::1]:5353']])
    assert.ok(resolve({ name: 'chat.test', port: 9, servers }));
  for (const path of ['chat', '/chat#top']) refuses({ name: 'chat.test', port: 9, path }, /discovery\.dns\.path/);
});

test('the environment of the command has it, too', () => {
  const { options } = loadSettings(undefined, {
    HOLDFAST_DISCOVERY_DNS_NAME: 'chat.test',
    HOLDFAST_DISCOVERY_DNS_PORT: '9000',
    HOLDFAST_DISCOVERY_DNS_RECORDS: 'a',
    HOLDFAST_DISCOVERY_DNS_SCHEME: 'wss',
    HOLDFAST_DISCOVERY_DNS_PATH: '/chat',
    HOLDFAST_DISCOVERY_DNS_INTERVAL_MS: '1000',
    HOLDFAST_DISCOVERY_DNS_GRACE_MS: '0',
    HOLDFAST_DISCOVERY_DNS_SERVERS: '10.0.0.10, 10.0.0.11:5353',
  });
  assert.deepEqual(options.discovery?.dns, {
    name: 'chat.test',
    port: 9000,
    records: 'a',
    scheme: 'wss',
    path: '/chat',
    intervalMs: 1000,
    graceMs: 0,
    servers: ['10.0.0.10', '10.0.0.11:5353'],
  });
  assert.throws(() => loadSettings(undefined, { HOLDFAST_DISCOVERY_DNS_NAME: 'chat.test' }), {
    message: /discovery\.dns\.port is missing.*\(HOLDFAST_DISCOVERY_DNS_NAME\)$/,
  });
  assert.throws(() => loadSettings(undefined, { HOLDFAST_DISCOVERY_DNS_PORT: '9000' }), {
    message: /discovery\.dns\.name is missing.*\(HOLDFAST_DISCOVERY_DNS_PORT\)$/,
  });
});
