import assert from 'node:assert/strict';
import test from 'node:test';
import type { Hop } from '../../src/heartbeat/settings.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { onlyPipe } from './failover-scenario.ts';
import { assertNobodyJudged, moreAnswers, recordedOf } from './heartbeat-scenario.ts';

const heartbeat = { client: { intervalMs: 200 }, backend: { intervalMs: 200 } };
interface View {
  readonly client: { readonly rttMs: number | null };
  readonly backend: { readonly rttMs: number | null };
}

test('Each hop has its own pings of RFC 6455, one an interval, which end at the gateway', async (t) => {
  const gateway = await startGateway(t, { heartbeat });
  const backend = await startBackend(t, { record: true });
  gateway.manager.registerBackend({ id: 'a', url: backend.url });
  const client = await connect(t, gateway.url);
  await moreAnswers(gateway, 'client', 6);
  await moreAnswers(gateway, 'backend', 1);
  client.ws.ping('mine');
  await backend.command({ do: 'ping', payload: 'theirs' });
  await moreAnswers(gateway, 'client', 2);
  await moreAnswers(gateway, 'backend', 2);

  const [link] = backend.received();
  const ours = (payloads: readonly string[]) => payloads.filter((payload) => payload.startsWith('HFhb')).length;
  for (const [hop, seen] of [
    ['client', client.pings],
    ['backend', link!.pings],
  ] as const) {
    const sent = recordedOf(gateway, 'heartbeat.ping').filter(({ event }) => event.hop === hop);
    assert.ok(seen.length >= 8, `${seen.length} pings at the ${hop}`);
    assert.equal(ours(seen), seen.length, `only the gateway's own pings reach the ${hop}`);
    const spanMs = sent.at(-1)!.at - sent[0]!.at;
    const due = spanMs / 200 + 1;
    // A stalled test process leaves pings out, but never sends more than one an interval.
    assert.ok(sent.length <= due + 1, `${sent.length} pings in ${spanMs} ms`);
    assert.ok(sent.length >= due / 3, `${sent.length} pings in ${spanMs} ms`);
  }
  assert.deepEqual(client.pongs, ['mine']);
  assert.deepEqual(link!.pongs, ['theirs']);
  assert.deepEqual(client.messages, []);
  assert.deepEqual(link!.messages, []);
  assertNobodyJudged(gateway);
});

for (const hop of ['client', 'backend'] as const satisfies Hop[]) {
  test(`GET /pipes/:id shows the round trip of the ${hop}, and what a slower network does to it`, async (t) => {
    const gateway = await startGateway(t, { heartbeat });
    const backend = await startBackend(t);
    const relay = await startRelay(t, { targetPort: hop === 'client' ? gateway.port : backend.port });
    gateway.manager.registerBackend({ id: 'a', url: hop === 'backend' ? relay.url : backend.url });
    await connect(t, hop === 'client' ? `${relay.url}/ws` : gateway.url);
    const view = async () => (await gateway.admin('GET', `/pipes/${onlyPipe(gateway).id}`)).body as View;
    const { rttMs: first } = (await view())[hop];
    assert.ok(first === null || first < 100, `${first} ms`);
    await moreAnswers(gateway, hop, 1);

    relay.delay(75);
    await moreAnswers(gateway, hop, 2);
    const { rttMs } = (await view())[hop];
    assert.ok(rttMs !== null && rttMs >= 149 && rttMs < 1500, `${rttMs} ms through a network of 2 x 75 ms`);
    const { rttMs: told } = gateway
      .eventsOf('heartbeat.pong')
      .filter((one) => one.hop === hop)
      .at(-1)!;
    assert.ok(told >= 149);
    assertNobodyJudged(gateway);
  });
}
