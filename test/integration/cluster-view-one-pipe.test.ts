/** One pipe is looked at, interrupted and closed by any gateway, wherever it is. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { PipeDetail, PipeView } from '../../src/pipe/views.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { membersOf, startCluster } from '../support/cluster.ts';
import type { TestGateway } from '../support/gateway.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { until } from '../support/wait.ts';

async function stage(t: TestContext, count: number) {
  const backend = await startBackend(t, { tag: 'a' });
  const gateways = await startCluster(t, count, {
    backends: [{ url: backend.url, id: 'a' }],
    drain: { quietMs: 300, tailMs: 1000 },
  });
  return { gateways: gateways as [TestGateway, TestGateway, TestGateway], backend };
}

const codeOf = (answer: { body: unknown }) => (answer.body as { code: string }).code;

test('a pipe of another gateway: read, interrupted, closed, and read again as it ended', async (t) => {
  const { gateways } = await stage(t, 2);
  const [one, two] = gateways;
  const [owner] = (await membersOf(two)).filter((id) => id.startsWith('gw-1'));
  const client = await connect(t, two.url);
  assert.equal((await client.ask('1')).text, 'a:1');
  const [{ id }] = two.manager.pipes().pipes as [PipeView];

  const read = await one.admin('GET', `/pipes/${id}`);
  assert.equal(read.status, 200);
  const { history, ...view } = read.body as PipeDetail;
  assert.deepEqual([view.id, view.gateway, view.state, view.backendId], [id, owner, 'open', 'a']);
  assert.ok(history.some(({ event }) => event === 'pipe.opened'));

  const interrupted = await one.admin('POST', `/pipes/${id}/interrupt`);
  assert.equal(interrupted.status, 202, JSON.stringify(interrupted.body));
  const { gateway, lastInterruption } = interrupted.body as PipeView;
  assert.deepEqual([gateway, lastInterruption], [owner, 'operator']);
  await two.waitFor('pipe.restored');
  client.send('2');
  await client.waitFor('a:2');

  assert.equal((await one.admin('DELETE', `/pipes/${id}`)).status, 204);
  assert.equal((await client.closed).code, 1000);
  assert.equal((await two.waitFor('pipe.closed')).reason, 'operator');
  const ended = (await one.admin('GET', `/pipes/${id}`)).body as PipeDetail;
  assert.deepEqual([ended.state, ended.gateway], ['closed', owner]);
  const again = await one.admin('DELETE', `/pipes/${id}`);
  assert.deepEqual([again.status, codeOf(again)], [404, 'HOLDFAST_ERR_PIPE_NOT_FOUND']);

  const { changes } = (await one.admin('GET', '/audit')).body as { changes: { target: string; action: string }[] };
  assert.ok(
    changes.filter(({ target }) => target === id).length >= 2,
    'it is in the audit of the gateway that was asked',
  );
});

test('what the other gateway refuses is refused with its code; what nobody knows is 404 at once', async (t) => {
  const { gateways, backend } = await stage(t, 2);
  const [one, two] = gateways;
  await connect(t, two.url);
  const [{ id }] = two.manager.pipes().pipes as [PipeView];
  backend.kill();
  await until(() => two.manager.pipe(id).state === 'interrupted');
  const refused = await one.admin('POST', `/pipes/${id}/interrupt`);
  assert.deepEqual([refused.status, codeOf(refused)], [409, 'HOLDFAST_ERR_PIPE_NOT_ATTACHED']);
  const begun = performance.now();
  for (const unknown of ['AAAAAAAAAAAAAAAA', 'no%20pipe%20at%20all', 'p%3A1'])
    for (const [method, path] of [
      ['GET', `/pipes/${unknown}`],
      ['DELETE', `/pipes/${unknown}`],
      ['POST', `/pipes/${unknown}/interrupt`],
    ] as const) {
      const answer = await one.admin(method, path);
      assert.deepEqual([answer.status, codeOf(answer)], [404, 'HOLDFAST_ERR_PIPE_NOT_FOUND'], `${method} ${path}`);
    }
  assert.ok(performance.now() - begun < 900, 'it waited for somebody');
});

test('a pipe that goes to another gateway meanwhile is closed where it arrives', async (t) => {
  const { gateways } = await stage(t, 3);
  const [from, to, asked] = gateways;
  const relay = await startRelay(t, { targetPort: from.port });
  const client = new ResumingClient(t, `ws://127.0.0.1:${relay.port}/ws`, { timeoutMs: 5000 });
  await client.opened();
  const { pipe: id } = client;
  relay.retarget(to.port);
  relay.reset();
  await until(() => from.manager.findPipe(id)?.state === 'moving', { what: 'the pipe to leave' });

  const read = (await asked.admin('GET', `/pipes/${id}`)).body as PipeView;
  assert.equal(read.state, 'moving');
  const closed = await asked.admin('DELETE', `/pipes/${id}`);
  assert.equal(closed.status, 204, JSON.stringify(closed.body));
  const { reason } = await to.waitFor('pipe.closed', ({ pipeId }) => pipeId === id);
  assert.equal(reason, 'operator');
  assert.equal((await from.waitFor('pipe.closed')).reason, 'moved');
  await until(() => client.codes.includes(1000), { what: 'the close to reach the client' });
});

test('a pipe that has come back to another gateway is found there, not where it was before', async (t) => {
  const { gateways } = await stage(t, 3);
  const [from, to, asked] = gateways;
  const relay = await startRelay(t, { targetPort: from.port });
  const client = new ResumingClient(t, `ws://127.0.0.1:${relay.port}/ws`, { timeoutMs: 5000 });
  await client.opened();
  relay.retarget(to.port);
  relay.reset();
  await until(() => client.resumes === 1 && client.isOpen, { what: 'the resume' });
  for (const gateway of [from, to, asked]) {
    const { gateway: owner, state } = (await gateway.admin('GET', `/pipes/${client.pipe}`)).body as PipeView;
    assert.ok(owner?.startsWith('gw-1.'), `${owner}`);
    assert.notEqual(state, 'closed');
  }
  const { total } = (await asked.admin('GET', '/pipes')).body as { total: number };
  assert.equal(total, 1);
});
