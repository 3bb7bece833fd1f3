/** The admin API's Unix socket is its owner's alone from its first moment on, whatever the umask lets others do. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fastify from 'fastify';
import holdfast from '../../src/index.ts';
import { temporaryFolder } from '../support/command.ts';
import { adminToken } from '../support/gateway.ts';

test('nobody but the owner may open the socket when it begins to listen, and the umask of the host is as before', async (t) => {
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const path = join(temporaryFolder(t), 'admin.sock');
  const app = fastify();
  t.after(() => app.close());
  await app.register(holdfast, { admin: { auth: { tokens: [adminToken] }, listen: { path } } });
  let mode: number | undefined;
  app.adminServer?.server.prependOnceListener('listening', () => {
    mode = statSync(path).mode & 0o777;
  });
  await app.ready();
  assert.equal(mode?.toString(8), '600');
  assert.equal(process.umask(), 0);
});
