/** What the tests of the limits share: clients of many addresses, and how often a limit was reached. */
import assert from 'node:assert/strict';
import type { LimitName } from '../../src/limits/limit-tally.ts';
import { adminToken, type TestGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

/** A proxy in front is trusted: clients come from the address they are said to. */
export const behindProxy = { fastify: { trustProxy: true } } as const;
export const from = (address: string, headers: Record<string, string> = {}) => ({
  headers: { 'x-forwarded-for': address, ...headers },
});

/** `holdfast_limited_total` of this limit. */
export async function limited(gateway: TestGateway, limit: LimitName): Promise<number> {
  const response = await fetch(`${gateway.httpUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
  const value = new RegExp(`^holdfast_limited_total\\{limit="${limit}"\\} (\\d+)$`, 'm').exec(
    await response.text(),
  )?.[1];
  assert.ok(value !== undefined, `no series of ${limit}`);
  return Number(value);
}

/** The limit shows: in the metric as often as this, and as an event. */
export async function assertLimited(gateway: TestGateway, limit: LimitName, times: number): Promise<void> {
  assert.equal(await limited(gateway, limit), times);
  const [event] = gateway.eventsOf('limit.reached').filter((one) => one.limit === limit);
  assert.ok(event !== undefined, `no event of ${limit}`);
}

/** Nobody is in, and no slot is taken. */
export async function assertNobodyIn(gateway: TestGateway): Promise<void> {
  const { entrance } = gateway.manager;
  await until(() => entrance.arriving === 0 && entrance.pipes === 0, {
    what: () => `all slots to be given back; ${entrance.arriving} arriving, ${entrance.pipes} pipes`,
  });
}
