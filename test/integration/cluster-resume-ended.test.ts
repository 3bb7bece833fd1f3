/** Gateways in processes of their own over Redis: what becomes of a session when the one that has it ends, one way or the other. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import type { HoldfastOptions } from '../../src/options.ts';
import { type BackendProcess, startBackend } from '../support/backend-process.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/cluster-process.ts';
import { needDebianPackages } from '../support/debian-packages.ts';
import { audit, numberedText, readNumbered } from '../support/numbered.ts';
import { startRedis } from '../support/redis-server.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { startRelay, type TcpRelay } from '../support/tcp-relay.ts';
import { until, withTimeout } from '../support/wait.ts';

interface Scene {
  readonly gateways: readonly GatewayProcess[];
  readonly backend: BackendProcess;
  readonly relay: TcpRelay;
  readonly client: ResumingClient;
  /** Messages sent so far; it goes on sending. */
  sent(): number;
  stopSending(): void;
}

async function setUp(t: TestContext, count: number): Promise<Scene> {
  const { url } = await startRedis(t);
  const backend = await startBackend(t, { tag: 'a', record: true });
  const options: HoldfastOptions = {
    backends: [backend.url],
    drain: { quietMs: 50, tailMs: 500 },
    shutdown: { spreadMs: 200 },
    admin: false,
    cluster: { beatMs: 100, memberTtlMs: 1000 },
  };
  const gateways = await Promise.all(Array.from({ length: count }, () => startGatewayProcess(t, url, options)));
  const relay = await startRelay(t, { targetPort: gateways[0]!.port });
  const client = new ResumingClient(t, `ws://127.0.0.1:${relay.port}/ws`, { timeoutMs: 5000 });
  await client.opened();
  let sent = 0;
  const sending = setInterval(() => {
    for (let i = 0; i < 3; i += 1) {
      sent += 1;
      client.send(numberedText(sent, 300, 'up'));
    }
  }, 5);
  const stopSending = (): void => clearInterval(sending);
  t.after(stopSending);
  await until(() => client.texts.length > 100, { what: '100 answers' });
  return { gateways, backend, relay, client, sent: () => sent, stopSending };
}

const numbersOf = (texts: readonly string[]) => texts.flatMap((text) => readNumbered(text)?.n ?? []);

test('gateways that end by SIGTERM one after the other: the session goes on at the next, nothing is lost or twice in either direction', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const { gateways, backend, relay, client, sent, stopSending } = await setUp(t, 3);
  const { pipe } = client;
  for (const [at, { child }] of gateways.slice(0, 2).entries()) {
    relay.retarget(gateways[at + 1]!.port);
    const { resumes } = client;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const [code] = (await withTimeout(exited, 10_000, 'the gateway to end')) as [number | null];
    assert.equal(code, 0);
    await until(() => client.resumes > resumes && client.isOpen, { timeoutMs: 10_000, what: 'the resume' });
    const { length } = client.texts;
    await until(() => client.texts.length > length + 100, { what: '100 more answers' });
  }
  stopSending();
  await client.delivered();
  await until(() => numbersOf(client.texts).includes(sent()), { what: 'the last answer' });
  const clean = { received: sent(), missing: [], duplicated: [], outOfOrder: [] };
  assert.deepEqual(audit(numbersOf(backend.receivedTexts()), sent()), clean, 'up');
  assert.deepEqual(audit(numbersOf(client.texts), sent()), clean, 'down');
  assert.deepEqual([client.lost, client.pipe], [[], pipe]);
  assert.ok(client.controls.filter((type) => type === 'goaway').length === 2, 'it was told');
  t.diagnostic(`${sent()} messages up and down over two ended gateways: 0 lost, 0 twice`);
});

test('SIGKILL of the gateway that has the session: a new one at another, nothing is lost upstream, and what may be missing downstream is told', async (t) => {
  if (!needDebianPackages(t, 'redis-server')) return;
  const { gateways, backend, relay, client, sent, stopSending } = await setUp(t, 2);
  const { pipe } = client;
  relay.retarget(gateways[1]!.port);
  const killedAt = performance.now();
  gateways[0]!.child.kill('SIGKILL');
  await until(() => client.lost.length === 1 && client.isOpen, { timeoutMs: 10_000, what: 'a new session' });
  const gapMs = Math.round(performance.now() - killedAt);
  const { length } = client.texts;
  await until(() => client.texts.length > length + 100, { what: '100 more answers' });
  stopSending();
  await client.delivered();
  const up = audit(numbersOf(backend.receivedTexts()), sent());
  assert.deepEqual(up.missing, [], 'messages that reached no backend');
  const [lost] = client.lost;
  assert.deepEqual([lost!.pipe, lost!.reason], [pipe, 'gateway-gone']);
  assert.ok(up.duplicated.length <= lost!.resent, 'only what was not acknowledged came twice');
  t.diagnostic(`${sent()} sent, ${lost!.resent} again, 0 lost upstream; a new session after ${gapMs} ms`);
});
