/** What HAProxy and nginx have to do for gateways behind them: one scenario, run with each of them. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { type Balancer, type BalancerKind, startBalancer } from '../support/balancer.ts';
import { connect, connectRefused } from '../support/client.ts';
import { configFile, type RunningCommand, startCommand } from '../support/command.ts';
import { ResumingClient } from '../support/resuming-client.ts';
import { until } from '../support/wait.ts';

export interface Fleet {
  readonly gateways: readonly [RunningCommand, RunningCommand];
  readonly balancer: Balancer;
  readonly backend: Awaited<ReturnType<typeof startBackend>>;
}

export async function startFleet(t: TestContext, kind: BalancerKind): Promise<Fleet> {
  const backend = await startBackend(t, { tag: 'b', record: { textBytes: 64 } });
  const file = configFile(
    t,
    JSON.stringify({ backends: [{ url: backend.url, id: 'b' }], shutdown: { spreadMs: 800 } }),
  );
  const start = () => startCommand(t, { args: ['--config', file], env: { HOLDFAST_TRUST_PROXY: '127.0.0.1' } });
  // One after the other: each has the time to start to itself.
  const gateways = [await start(), await start()] as const;
  const port = (gateway: RunningCommand) => Number(new URL(gateway.http).port);
  const balancer = await startBalancer(t, kind, [port(gateways[0]), port(gateways[1])]);
  return { gateways, balancer, backend };
}

export async function pipesOf(gateway: RunningCommand): Promise<{ clientIp: string }[]> {
  const { body } = await gateway.admin('GET', '/pipes?limit=200');
  return (body as { pipes: { clientIp: string }[] }).pipes;
}

/** Clients are spread, each with its own address; what they say of themselves does not count; the admin API cannot be reached. */
export async function clientsAreSpread(t: TestContext, { gateways, balancer, backend }: Fleet): Promise<void> {
  const headers = { 'x-forwarded-for': '6.6.6.6', 'x-forwarded-host': 'evil.test', forwarded: 'for=6.6.6.6' };
  const clients = await Promise.all(
    Array.from({ length: 10 }, () => connect(t, balancer.url, { localAddress: '127.0.0.7', headers })),
  );
  for (const client of clients) assert.equal((await client.ask('hello')).text, 'b:hello');
  for (const gateway of gateways) {
    const pipes = await pipesOf(gateway);
    assert.equal(pipes.length, 5, 'each has half');
    for (const { clientIp } of pipes) assert.equal(clientIp, '127.0.0.7');
  }
  for (const { headers: got } of backend.received()) {
    assert.equal(got['x-forwarded-for'], '127.0.0.7, 127.0.0.1');
    assert.equal(got['x-forwarded-host'], `127.0.0.1:${balancer.port}`);
    assert.equal(got['x-forwarded-proto'], 'http');
    assert.equal(got['forwarded'], undefined);
  }
  for (const path of ['/backends', '/readyz', '/metrics', '/docs', '/wsx'])
    assert.equal((await fetch(`http://127.0.0.1:${balancer.port}${path}`)).status, 404, path);
  assert.equal((await connectRefused(t, balancer.url.replace('/ws', '/other'))).status, 404);
  // The library need not be built for this: what counts is that the gateway has answered.
  const library = async (origin: string) => (await fetch(`${origin}/holdfast/client.js`)).text();
  assert.equal(await library(`http://127.0.0.1:${balancer.port}`), await library(gateways[0].http));
  for (const client of clients) client.close();
  await until(async () => (await Promise.all(gateways.map(pipesOf))).flat().length === 0, { what: 'all to be gone' });
}

/** SIGTERM of one gateway: its clients are taken by the other, and nobody who connects meanwhile is refused. */
export async function oneGatewayEnds(t: TestContext, { gateways, balancer, backend }: Fleet): Promise<void> {
  const [one, other] = gateways;
  const clients = Array.from(
    { length: 12 },
    () => new ResumingClient(t, balancer.url, { pingMs: 1000, timeoutMs: 5000 }),
  );
  await Promise.all(clients.map((client) => client.opened()));
  await until(async () => (await pipesOf(one)).length === 6, { what: 'half of them at the first gateway' });
  const sent = clients.map(() => 0);
  const sending = setInterval(() => {
    for (const [index, client] of clients.entries()) {
      sent[index]! += 1;
      client.send(`${index}:${sent[index]}`);
    }
  }, 20);
  t.after(() => clearInterval(sending));

  one.kill('SIGTERM');
  const tries: Promise<string>[] = [];
  const trying = setInterval(() => tries.push(connectOnce(t, balancer.url)), 30);
  t.after(() => clearInterval(trying));
  assert.equal(await one.ended(), 0);
  clearInterval(trying);
  const outcomes = await Promise.all(tries);
  assert.ok(outcomes.length > 5, `${outcomes.length} connected meanwhile`);
  assert.deepEqual(
    outcomes.filter((outcome) => outcome !== 'connected'),
    [],
    'nobody was refused',
  );
  await until(() => clients.every(({ isOpen }) => isOpen), { what: 'all clients to be back' });
  clearInterval(sending);
  await Promise.all(clients.map((client) => client.delivered()));
  const moved = clients.filter(({ codes }) => codes.length > 0);
  assert.equal(moved.length, 6);
  for (const { codes } of moved) assert.deepEqual(codes, [1012]);
  await until(async () => (await pipesOf(other)).length === 12, { what: 'all clients at the other gateway' });
  const texts = new Set(backend.receivedTexts());
  for (const [index, count] of sent.entries())
    for (let n = 1; n <= count; n += 1)
      assert.ok(texts.has(`${index}:${n}`), `message ${n} of client ${index} is lost`);
  t.diagnostic(
    `${outcomes.length} connected while it ended, ${sent.reduce((sum, n) => sum + n, 0)} messages, none lost`,
  );
}

/** @returns how it went. */
async function connectOnce(t: TestContext, url: string): Promise<string> {
  try {
    const client = await connect(t, url, { collect: false });
    client.close();
    return 'connected';
  } catch (error) {
    return (error as Error).message;
  }
}
