import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventStream } from '../../src/observe/events.ts';
import { resolveOptions } from '../../src/options.ts';
import { BackendPool } from '../../src/pool/backend-pool.ts';

const pathOf = (id: string) => new URL(`http://gateway/backends/${id}`).pathname;

test('an id of which no client could make a path is refused, in the options and in the pool', () => {
  const events = new EventStream((error) => {
    throw error;
  });
  const pool = new BackendPool({ options: resolveOptions({}).pool, events, now: () => 0 });
  for (const id of ['.', '..']) {
    assert.notEqual(pathOf(id), `/backends/${id}`);
    const backend = { url: 'ws://host/', id };
    assert.throws(() => pool.register(backend), { code: 'HOLDFAST_ERR_VALIDATION', message: /^id must/ });
    assert.throws(() => resolveOptions({ backends: [backend] }), { code: 'HOLDFAST_ERR_OPTIONS' });
  }
  for (const id of ['-', '_', '--1-9', 'a.', 'a..b', 'x'.repeat(64)]) {
    assert.equal(pathOf(id), `/backends/${id}`);
    const backend = { url: `ws://host/${id}`, id };
    assert.equal(pool.register(backend).id, id);
    assert.equal(resolveOptions({ backends: [backend] }).backends.length, 1);
  }
});
