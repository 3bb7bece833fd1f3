/** What may not be a backend is refused where it is given: by REST, in code, in the options. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway } from '../support/gateway.ts';

test('POST /backends refuses link-local, metadata and whatever allowedBackends leaves out, and registers nothing', async (t) => {
  const gateway = await startGateway(t, {
    allowedBackends: { schemes: ['ws'], hosts: ['*.internal', '127.0.0.0/8', '169.254.0.0/16'], ports: ['9000-9010'] },
  });
  const refused = [
    'ws://169.254.169.254:9000/latest/meta-data?secret=1',
    'ws://127.0.0.1:8080',
    'ws://evil.example:9000',
    'wss://chat.internal:9000',
    'ws://10.0.0.1:9000',
    'ws://0xa9fea9fe:9000',
  ];
  for (const url of refused) {
    const { status, body } = await gateway.admin('POST', '/backends', { url });
    assert.deepEqual([status, (body as { code: string }).code], [403, 'HOLDFAST_ERR_BACKEND_NOT_ALLOWED'], url);
    assert.doesNotMatch(JSON.stringify(body), /secret/);
    assert.throws(() => gateway.manager.registerBackend({ url }), { code: 'HOLDFAST_ERR_BACKEND_NOT_ALLOWED' });
  }
  assert.deepEqual(gateway.manager.backends(), []);
  assert.equal((await gateway.admin('POST', '/backends', { url: 'ws://chat.internal:9000' })).status, 201);
  assert.equal((await gateway.admin('POST', '/backends', { url: 'ws://127.0.0.1:9010' })).status, 201);
});

test('the backends of the options are judged too', async (t) => {
  const start = (backends: string[]) => startGateway(t, { backends, allowedBackends: { hosts: ['*.internal'] } });
  await assert.rejects(start(['ws://a.internal:1', 'ws://10.0.0.1:1']), { code: 'HOLDFAST_ERR_BACKEND_NOT_ALLOWED' });
  await start(['ws://a.internal:1']);
});
