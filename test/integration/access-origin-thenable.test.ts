/** What the hooks answer may be a promise of another library than the language's own: its time is limited as well. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { deferred } from '../support/wait.ts';

/** As of another context of node:vm: it is no instance of this one's Promise. */
const ForeignPromise = runInNewContext('Promise') as PromiseConstructor;

test('a promise that is no Promise of ours is waited for, and no longer than limits.hooksTimeoutMs', async (t) => {
  const backend = await startBackend(t);
  const late = deferred<boolean>();
  t.after(() => late.resolve(true));
  const gateway = await startGateway(t, {
    backends: [backend.url],
    limits: { hooksTimeoutMs: 200 },
    allowedOrigins: (origin) => ForeignPromise.resolve(origin === 'https://late.example' ? late.promise : true),
  });
  await connect(t, gateway.url, { headers: { origin: 'https://app.example' } });
  const refused = await connectRefused(t, gateway.url, {
    headers: { origin: 'https://late.example' },
    timeoutMs: 3000,
  });
  assert.equal(refused.status, 503);
  assert.equal((JSON.parse(refused.body) as { code: string }).code, 'HOLDFAST_ERR_HOOKS_TIMEOUT');
  assert.equal(gateway.manager.entrance.arriving, 0);
});
