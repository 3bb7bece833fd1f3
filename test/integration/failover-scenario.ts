/** What the failover, delivery and closing tests share: numbered streams through a gateway, and what became of them. */
import assert from 'node:assert/strict';
import type { BackendProcess, ReceivedConnection } from '../support/backend-process.ts';
import { startBackend } from '../support/backend-process.ts';
import type { Client, ClientOptions } from '../support/client.ts';
import { connect } from '../support/client.ts';
import { startGateway, type TestGateway, type TestGatewayOptions } from '../support/gateway.ts';
import { audit, readNumbered } from '../support/numbered.ts';
import type { Owner } from '../support/owner.ts';
import { until } from '../support/wait.ts';

export interface Pair {
  readonly a: BackendProcess;
  readonly b: BackendProcess;
  readonly gateway: TestGateway;
}

/** Two recording backends 'a' and 'b' behind a gateway. The first client goes to 'a'. */
export async function startPair(
  t: Owner,
  options: TestGatewayOptions = {},
  backend: Parameters<typeof startBackend>[1] = {},
): Promise<Pair> {
  // The gateway first: what is made first is ended first, and its pipes then still have their backends.
  const gateway = await startGateway(t, { pool: { balancing: 'round-robin' }, ...options });
  const start = (tag: string) => startBackend(t, { tag, record: { textBytes: 64 }, ...backend });
  const [a, b] = await Promise.all([start('a'), start('b')]);
  gateway.manager.registerBackend({ id: 'a', url: a.url });
  gateway.manager.registerBackend({ id: 'b', url: b.url });
  return { a, b, gateway };
}

/** The numbers a backend received on one connection, in order. */
export function numbersOf(connection: ReceivedConnection): number[] {
  return connection.messages.flatMap(({ text }) => readNumbered(text)?.n ?? []);
}

export function echoedNumbers(client: Client): number[] {
  return client.numbered.map(({ n }) => n);
}

/** A client whose numbers are kept, not its messages; with the longest silence between two of them. */
export async function connectCounting(
  t: Owner,
  url: string,
  options: ClientOptions = {},
): Promise<{ readonly client: Client; readonly numbers: number[]; readonly longestGapMs: () => number }> {
  const numbers: number[] = [];
  let lastAt = 0;
  let gap = 0;
  const client = await connect(t, url, {
    collect: false,
    ...options,
    onMessage: ({ data, at }) => {
      const numbered = readNumbered(data);
      if (numbered === undefined) return;
      if (lastAt > 0) gap = Math.max(gap, at - lastAt);
      lastAt = at;
      numbers.push(numbered.n);
    },
  });
  return { client, numbers, longestGapMs: () => gap };
}

/** All of 1 to `sent` came, each for the first time in order. */
export function assertComplete(numbers: Iterable<number>, sent: number, what: string): void {
  const { missing, outOfOrder } = audit(numbers, sent);
  assert.deepEqual({ missing, outOfOrder }, { missing: [], outOfOrder: [] }, what);
}

/** Complete, and nothing came twice. */
export function assertExact(numbers: Iterable<number>, sent: number, what: string): void {
  const { missing, outOfOrder, duplicated } = audit(numbers, sent);
  assert.deepEqual({ missing, outOfOrder, duplicated }, { missing: [], outOfOrder: [], duplicated: [] }, what);
}

/**
 * `links` = one pipe's connections in the order of their generation: each is a run without holes, together they are all of 1 to
 * `sent`, and what a link got again is no more than it was told (Holdfast-Replay). @returns messages that came twice.
 */
export function assertHandedOver(links: readonly ReceivedConnection[], sent: number): number {
  let highest = 0;
  let twice = 0;
  for (const link of links) {
    const numbers = numbersOf(link);
    const first = numbers[0];
    if (first === undefined) continue;
    const generation = link.headers['holdfast-generation'];
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => first + index),
      `generation ${generation} got a run without holes`,
    );
    assert.ok(first <= highest + 1, `generation ${generation} begins with ${first}, before it came ${highest}`);
    const again = highest - first + 1;
    const told = Number(link.headers['holdfast-replay']);
    assert.ok(again <= told, `generation ${generation} got ${again} messages again and was told ${told}`);
    twice += again;
    highest = Math.max(highest, numbers.at(-1)!);
  }
  assert.equal(highest, sent, 'the last message arrived');
  return twice;
}

/** The connections of one pipe at these backends, oldest generation first. */
export function linksOf(pipeId: string, ...backends: readonly BackendProcess[]): ReceivedConnection[] {
  return backends
    .flatMap((backend) => backend.received())
    .filter(({ headers }) => headers['holdfast-pipe'] === pipeId)
    .sort((x, y) => Number(x.headers['holdfast-generation']) - Number(y.headers['holdfast-generation']));
}

/** The pipe as operators see it now. */
export function viewOf(gateway: TestGateway, pipe: { readonly id: string }) {
  return gateway.manager.pipe(pipe.id);
}

/** Resolves when the gateway has taken in so many whole messages of the pipe's client. */
export async function untilTaken(gateway: TestGateway, pipe: { readonly id: string }, count: number): Promise<void> {
  const taken = () => viewOf(gateway, pipe).traffic.messagesToBackend;
  await until(() => taken() === count, { what: () => `the gateway to have ${count} messages; it has ${taken()}` });
}

/** Resolves when all that the client sent is acknowledged. */
export async function untilAcknowledged(gateway: TestGateway, pipe: { readonly id: string }): Promise<void> {
  await until(() => viewOf(gateway, pipe).journal.bytes === 0, { what: 'the journal to be empty' });
}

/** The most of a figure, looked at every millisecond. */
export function watchMost(t: Owner, figure: () => number): () => number {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, figure());
  }, 1);
  t.after(() => clearInterval(timer));
  return () => most;
}

/** The one pipe there is. */
export function onlyPipe(gateway: TestGateway) {
  const [pipe, ...others] = gateway.manager;
  assert.ok(pipe !== undefined && others.length === 0, `one pipe, not ${others.length + (pipe ? 1 : 0)}`);
  return pipe;
}

/** Nothing is left of the pipes: no lease, no byte, no timer but the pool's own. */
export async function assertNothingLeft(gateway: TestGateway): Promise<void> {
  const { manager } = gateway;
  const left = () => ({
    pipes: manager.size,
    connections: manager.backends().reduce((sum, { connections, dialing }) => sum + connections + dialing, 0),
    bytes: manager.budget.usedBytes,
  });
  await until(() => Object.values(left()).every((value) => value === 0), {
    timeoutMs: 8000,
    what: () => `nothing to be left: ${JSON.stringify(left())}`,
  });
  await until(() => manager.wheel.size <= 2, { what: () => `timers to end: ${manager.wheel.size} are armed` });
}
