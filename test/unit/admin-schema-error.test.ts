import assert from 'node:assert/strict';
import test from 'node:test';
import { Type } from 'typebox';
import { type HoldfastOptions, resolveOptions } from '../../src/options.ts';
import { describeSchemaError } from '../../src/schema-error.ts';

test('a wrong option is named by its path, with what is allowed', () => {
  const wrong: [object, RegExp][] = [
    [{ pool: { bar: 1 } }, /^pool\.bar is not an option\. Known here: balancing, /],
    [{ foo: 1 }, /^foo is not an option\. Known here: path, backends, /],
    [
      { heartbeat: { client: { intervalMs: 5 } } },
      /^heartbeat\.client\.intervalMs must be 0 or an integer from 100 to 3600000\.$/,
    ],
    [
      { heartbeat: { client: { timeoutMs: '5' } } },
      /^heartbeat\.client\.timeoutMs must be an integer from 100 to 10800000 or null\.$/,
    ],
    [{ delivery: 'exactly-once' }, /^delivery must be one of at-least-once, at-most-once\.$/],
    [
      { pool: { balancing: 'best' } },
      /^pool\.balancing must be one of least-connections, round-robin, random-two, hash\.$/,
    ],
    [{ pool: 7 }, /^pool must be an object\.$/],
    [{ pool: { maxErrors: -1 } }, /^pool\.maxErrors must be an integer of at least 0\.$/],
    [{ path: 'ws' }, /^path must be a string that matches \^\/\[\^\*\?#\(\)\]\*\$\.$/],
    [{ backends: 'ws://x' }, /^backends must be an array\.$/],
    [{ backends: ['ws://x', 7] }, /^backends\[1\] must be a string or an object\.$/],
    [{ backends: [{ url: 'ws://x', weight: 0 }] }, /^backends\[0\]\.weight must be an integer from 1 to 1000\.$/],
    [{ backends: [{ id: 'x' }] }, /^backends\[0\]\.url is missing; it must be a string from 1 to 2048 characters\.$/],
    [{ backends: [{ url: 'ws://x', labels: { 'a b': 'c' } }] }, /^backends\[0\]\.labels\."a b" is not an option/],
    [{ failover: { codes: [1001, 'x'] } }, /^failover\.codes\[1\] must be an integer from 1000 to 4999\.$/],
    [
      { buffer: { maxBytesPerPipe: Number.NaN } },
      /^buffer\.maxBytesPerPipe must be an integer from 1024 to 1099511627776\.$/,
    ],
  ];
  for (const [options, message] of wrong) {
    assert.throws(() => resolveOptions(options as HoldfastOptions), { code: 'HOLDFAST_ERR_OPTIONS', message });
  }
});

test('a message is one line, shows no value, and is never empty', () => {
  const schema = Type.Object({ a: Type.Optional(Type.Boolean()) }, { additionalProperties: false });
  assert.match(describeSchemaError(schema, { 'x\ny': 'secret' }), /^"x\\ny" is not an option\. Known here: a\.$/);
  assert.equal(describeSchemaError(schema, { a: 'secret' }), 'a must be true or false.');
  assert.equal(describeSchemaError(schema, []), 'The value must be an object.');
  assert.equal(describeSchemaError(schema, {}), 'The value does not fit.');
});

test('one object given for several places is not mixed up, a function where none belongs is named', () => {
  const hop = { intervalMs: 5000 };
  const { heartbeat } = resolveOptions({ heartbeat: { client: hop, backend: hop } });
  assert.equal(heartbeat.client.json, 'auto');
  assert.equal(heartbeat.backend.timeoutMs, 15_000);
  assert.deepEqual(hop, { intervalMs: 5000 });
  assert.throws(() => resolveOptions({ buffer: { onFull: (() => 'close') as never } }), {
    code: 'HOLDFAST_ERR_OPTIONS',
    message: /^buffer\.onFull/,
  });
});
