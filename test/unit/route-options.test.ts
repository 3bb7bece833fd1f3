import assert from 'node:assert/strict';
import test from 'node:test';
import { resolveOptions } from '../../src/options.ts';

test('a path that the router refuses, or that no request can have, is refused by its key', () => {
  for (const path of ['ws', '/ws/*', '/*/ws', '/:id(', '/:id([a-z]+)', '/:id?', '/:id?/x', '/ws?a=1', '/ws#a']) {
    assert.throws(() => resolveOptions({ path }), { code: 'HOLDFAST_ERR_OPTIONS', message: /^path must/ }, path);
    assert.throws(
      () => resolveOptions({ client: { path } }),
      { code: 'HOLDFAST_ERR_OPTIONS', message: /^client\.path must/ },
      path,
    );
  }
  for (const path of ['/', '/ws/', '/ws/:clientId', '/:room-:clientId/x', '/a b', '/é', '/50%'])
    assert.equal(resolveOptions({ path }).path, path);
});
