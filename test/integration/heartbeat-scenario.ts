/** What the heartbeat tests share: how late a verdict may be, and who heard which beat. */
import assert from 'node:assert/strict';
import type { Hop } from '../../src/heartbeat/settings.ts';
import type { EventName, HoldfastEvents } from '../../src/observe/events.ts';
import type { Recorded, TestGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

/**
 * What a verdict may be late by the fair clock, milliseconds: one step of the wheel (10), the rounding of the node timer (2), and the 50 by
 * which a tick of our own busy loop may be late before the rest is forgiven. It holds on any machine however busy.
 */
const latestMs = 10 + 2 + 50;
/** The same by the clock on the wall, where all that an overloaded machine does counts. */
const latestOnTheWallMs = 2500;

export function recordedOf<N extends EventName>(gateway: TestGateway, name: N): Recorded<N>[] {
  return gateway.events.filter((one): one is Recorded<N> => one.name === name);
}

/** Waits for the verdict on a peer that went silent at `silentAt` (performance.now()) and checks that it was neither early nor late. */
export async function assertFoundInTime(
  gateway: TestGateway,
  hop: Hop,
  silentAt: number,
  timeoutMs: number,
): Promise<{ readonly event: HoldfastEvents['heartbeat.timeout']; readonly foundMs: number }> {
  const event = await gateway.waitFor(
    'heartbeat.timeout',
    (one) => one.hop === hop,
    timeoutMs + latestOnTheWallMs + 2000,
  );
  const at = recordedOf(gateway, 'heartbeat.timeout').find((one) => one.event === event)!.at;
  const foundMs = at - silentAt;
  assert.equal(event.timeoutMs, timeoutMs);
  assert.equal(event.cause, 'silence');
  assert.ok(
    event.silentMs >= timeoutMs - 0.01,
    `judged after ${event.silentMs} ms of silence, before ${timeoutMs} were over`,
  );
  assert.ok(
    event.silentMs <= timeoutMs + latestMs,
    `judged only after ${event.silentMs} ms of silence, not ${timeoutMs}`,
  );
  assert.ok(foundMs <= timeoutMs + latestOnTheWallMs, `found ${foundMs} ms after it went silent`);
  return { event, foundMs };
}

/** Waits until so many pings more than now were answered on this hop: time as the heartbeat itself counts it. */
export async function moreAnswers(gateway: TestGateway, hop: Hop, count: number): Promise<void> {
  const answered = () => gateway.eventsOf('heartbeat.pong').filter((one) => one.hop === hop).length;
  const wanted = answered() + count;
  await until(() => answered() >= wanted, {
    timeoutMs: 15_000,
    what: () => `${wanted - answered()} more answers of the ${hop}`,
  });
}

export function assertNobodyJudged(gateway: TestGateway): void {
  assert.deepEqual(gateway.eventsOf('heartbeat.timeout'), []);
  assert.deepEqual(gateway.eventsOf('pipe.closed'), []);
  assert.deepEqual(gateway.eventsOf('pipe.interrupted'), []);
}
