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

/** A series as docs/SECURITY.md names it, `holdfast_pauses_total{direction="toClient"}` say; where there are several with these labels, their sum. */
export async function readSeries({ httpUrl }: Pick<TestGateway, 'httpUrl'>, series: string): Promise<number> {
  const response = await fetch(`${httpUrl}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } });
  const page = await response.text();
  const [, name = '', label = ''] = /^(\w+)(?:\{(.+)\})?$/.exec(series) ?? [];
  const lines = [...page.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'))];
  const values = lines.filter(([, labels = '']) => labels.includes(label)).map(([, , value]) => Number(value));
  assert.ok(values.length > 0, `no series ${series}`);
  return values.reduce((sum, value) => sum + value, 0);
}

/** The limit shows in the series that "Every limit" of docs/SECURITY.md has for it. @param times undefined = once or more. */
export async function assertReached(
  gateway: Pick<TestGateway, 'httpUrl'>,
  series: string,
  times?: number,
): Promise<void> {
  const value = await readSeries(gateway, series);
  if (times === undefined) assert.ok(value > 0, series);
  else assert.equal(value, times, series);
}

/** `holdfast_limited_total` of this limit. */
export function limited(gateway: Pick<TestGateway, 'httpUrl'>, limit: LimitName): Promise<number> {
  return readSeries(gateway, `holdfast_limited_total{limit="${limit}"}`);
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
