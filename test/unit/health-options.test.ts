import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HoldfastOptions, resolveOptions } from '../../src/options.ts';

type Health = NonNullable<NonNullable<HoldfastOptions['pool']>['health']>;
const resolve = (health: Health) => resolveOptions({ pool: { health } }).pool.health;
const refuses = (health: unknown, message: RegExp) =>
  assert.throws(() => resolve(health as Health), { code: 'HOLDFAST_ERR_OPTIONS', message }, JSON.stringify(health));

test('nobody is checked unless it is asked for', () => {
  assert.deepEqual(resolveOptions({}).pool.health, {
    kind: 'off',
    intervalMs: 5000,
    timeoutMs: 2000,
    rise: 2,
    fall: 3,
  });
});

test('websocket needs nothing more, http a path', () => {
  assert.equal(resolve({ kind: 'websocket' }).path, undefined);
  assert.equal(resolve({ kind: 'http', path: '/healthz?deep=1' }).path, '/healthz?deep=1');
  refuses({ kind: 'http' }, /pool\.health\.path is missing.*pool\.health\.kind "http"/);
});

test('what cannot be is refused, by its key', () => {
  refuses({ kind: 'tcp' }, /pool\.health\.kind/);
  for (const path of ['healthz', 'http://a/', '/two words', '/a#b', '/line\r\nX: y', '/\u00e4', ''])
    refuses({ kind: 'http', path }, /pool\.health\.path/);
  refuses({ intervalMs: 99 }, /pool\.health\.intervalMs/);
  refuses({ timeoutMs: 0 }, /pool\.health\.timeoutMs/);
  refuses({ rise: 0 }, /pool\.health\.rise/);
  refuses({ fall: 0 }, /pool\.health\.fall/);
  refuses({ fall: 1.5 }, /pool\.health\.fall/);
  refuses({ interval: 5 }, /pool\.health/);
});
