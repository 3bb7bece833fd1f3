import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { startPair } from './failover-scenario.ts';

test('a failover rehearsed again and again waits for no backoff: the backends are not at fault', async (t) => {
  const { gateway } = await startPair(t, { failover: { backoffBaseMs: 5000, backoffMaxMs: 5000 } });
  const client = await connect(t, gateway.url);
  const [pipe] = gateway.manager.pipes().pipes;
  for (let round = 2; round <= 8; round += 1) {
    const answer = await gateway.admin('POST', `/pipes/${pipe!.id}/interrupt`);
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    await gateway.waitFor('backend.attached', ({ generation }) => generation === round, 1000);
  }
  assert.match((await client.ask('still there')).text, /still there$/);
});
