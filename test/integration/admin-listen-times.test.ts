/** A port of its own for the admin API in an app with time-outs of its own. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { test } from 'node:test';
import fastify from 'fastify';
import holdfast from '../../src/index.ts';
import { adminToken } from '../support/gateway.ts';

for (const [what, options] of [
  ['less time for a request than node has for its head', { requestTimeout: 400 }],
  ['no time-out for a head, but one for a request', { requestTimeout: 400, http: { headersTimeout: 0 } }],
] as const) {
  test(`the app has ${what}: the admin port starts, and holds the same`, async (t) => {
    const app = fastify(options);
    t.after(() => app.close());
    await app.register(holdfast, { admin: { auth: { tokens: [adminToken] }, listen: { port: 0 } } });
    await app.ready();
    assert.ok(app.adminServer !== undefined);
    const { port } = app.adminServer.server.address() as AddressInfo;
    const slow = connect(port, '127.0.0.1');
    t.after(() => slow.destroy());
    slow.write('GET /stats HTTP/1.1\r\n');
    const [answer] = (await once(slow, 'data', { signal: AbortSignal.timeout(3000) })) as [Buffer];
    assert.match(String(answer), /^HTTP\/1\.1 408/);
  });
}
