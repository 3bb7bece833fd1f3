/** With workers it is the primary process that opens the admin API's Unix socket. */
import assert from 'node:assert/strict';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCommand, temporaryFolder } from '../support/command.ts';
import { until } from '../support/wait.ts';

/** Tells with which rights each Unix socket begins. */
const preload = `
import cluster from 'node:cluster';
import { statSync } from 'node:fs';
import { Server } from 'node:net';
if (cluster.isPrimary) {
  process.umask(0);
  const { listen } = Server.prototype;
  Server.prototype.listen = function (options, ...more) {
    const listening = listen.call(this, options, ...more);
    if (options.path?.endsWith('admin.sock')) process.stderr.write('begins ' + (statSync(options.path).mode & 0o777).toString(8) + '\\n');
    return listening;
  };
}
`;

test('nobody but the owner may open the socket of the workers from its first moment on', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'admin.sock');
  const [hook, config] = [join(folder, 'preload.mjs'), join(folder, 'holdfast.json')];
  writeFileSync(hook, preload);
  writeFileSync(config, JSON.stringify({ port: 0, admin: { tokens: ['some-token'], listen: { path } } }));
  const command = runCommand(t, { node: ['--import', hook], args: ['--config', config, '--workers', '1'] });
  const what = () => `the workers to serve\n${command.stdout}${command.stderr}`;
  await until(() => command.stdout.includes('listening on'), { timeoutMs: 30_000, what });
  assert.match(command.stderr, /^begins [67]00$/m);
  assert.equal((statSync(path).mode & 0o777).toString(8), '600');
  command.kill('SIGTERM');
  assert.equal(await command.ended(), 0);
});
