import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { before, test } from 'node:test';
import { startGateway } from '../support/gateway.ts';

before(() => {
  const { status } = spawnSync(process.execPath, ['scripts/build-client.mjs'], {
    stdio: 'inherit',
    env: { ...process.env, PATH: `node_modules/.bin:${process.env['PATH']}` },
  });
  assert.equal(status, 0);
});

test('the browser library is served with an ETag, under the path of the options, and not at all on wish', async (t) => {
  const gateway = await startGateway(t);
  for (const name of ['client.js', 'status.js']) {
    const first = await fetch(`${gateway.httpUrl}/holdfast/${name}`);
    assert.equal(first.status, 200);
    assert.match(first.headers.get('content-type') ?? '', /^text\/javascript/);
    assert.match(await first.text(), /export\s*\{/);
    const etag = first.headers.get('etag') ?? '';
    const again = await fetch(`${gateway.httpUrl}/holdfast/${name}`, { headers: { 'if-none-match': etag } });
    assert.equal(again.status, 304);
  }
  const elsewhere = await startGateway(t, { client: { path: '/lib' } });
  assert.equal((await fetch(`${elsewhere.httpUrl}/lib/client.js`)).status, 200);
  const without = await startGateway(t, { client: { serve: false } });
  assert.equal((await fetch(`${without.httpUrl}/holdfast/client.js`)).status, 404);
});
