/** What an operator did to a client is in the log, in the metrics, and in that client's own history. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { adminToken, startGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';

interface Entry {
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

test('an interruption and a Close by an operator are told with their name', async (t) => {
  const log = new LogCapture();
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, {
    fastify: { logger: { level: 'info', stream: log } },
    backends: [{ url: backend.url, id: 'a' }],
    admin: { auth: { tokens: [{ name: 'ada', role: 'write', token: adminToken }] } },
    closing: { handshakeMs: 200, lingerMs: 200 },
  });
  const client = await connect(t, gateway.url);
  assert.equal((await client.ask('x')).text, 'a:x');
  const [pipe] = gateway.manager.pipes().pipes;
  assert.ok(pipe !== undefined);
  assert.equal((await gateway.admin('POST', `/pipes/${pipe.id}/interrupt`)).status, 202);
  await gateway.waitFor('pipe.restored');
  assert.equal((await gateway.admin('DELETE', `/pipes/${pipe.id}`)).status, 204);
  await client.waitClosed();
  await gateway.waitFor('pipe.closed');

  const { status, body } = await gateway.admin('GET', `/pipes/${pipe.id}`);
  assert.equal(status, 200);
  const ordered = (body as { history: Entry[] }).history.filter(({ event }) => event === 'audit.changed');
  assert.deepEqual(ordered[0]?.fields, {
    actor: 'ada',
    role: 'write',
    actorIp: '127.0.0.1',
    action: 'interruptPipe',
    target: pipe.id,
    statusCode: 202,
  });
  assert.deepEqual(
    ordered.map(({ fields }) => fields['action']),
    ['interruptPipe', 'closePipe'],
  );

  const [line] = log.events('audit.changed');
  assert.ok(line !== undefined);
  assert.deepEqual([line['level'], line['actor'], line['pipeId']], [30, 'ada', pipe.id]);
  assert.deepEqual(line['before'], { clientId: pipe.clientId, state: 'open', backendId: 'a' });
  const metrics = await fetch(`${gateway.httpUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
  assert.match(await metrics.text(), /^holdfast_admin_changes_total 2$/m);
});
