/** A path for the admin API that is something else already: a typing error deletes nothing. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/command.ts';
import { adminToken, startGateway } from '../support/gateway.ts';

test('a path that is a file, a folder or a link is left as it is, and the message says that it is no socket', async (t) => {
  const folder = temporaryFolder(t);
  const path = (name: string) => join(folder, name);
  writeFileSync(path('file'), 'precious');
  mkdirSync(path('folder'));
  symlinkSync(path('file'), path('link'));
  for (const name of ['file', 'folder', 'link']) {
    await assert.rejects(
      startGateway(t, { admin: { auth: { tokens: [adminToken] }, listen: { path: path(name) } } }),
      { code: 'HOLDFAST_ERR_ADMIN_LISTEN', message: new RegExp(`${name}: what is there is no socket`) },
      name,
    );
  }
  assert.equal(readFileSync(path('link'), 'utf8'), 'precious');
  assert.equal(readFileSync(path('file'), 'utf8'), 'precious');
  assert.ok(statSync(path('folder')).isDirectory());
});
