/** Statistics of several gateways added up: what can be, and percentiles as if all gaps had been of one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Value } from 'typebox/value';
import { statsQuestion } from '../../src/gateways/stats-question.ts';
import { defaultHeartbeat } from '../../src/heartbeat/settings.ts';
import type { GatewayReadings } from '../../src/observe/readings.ts';
import { GatewayStats, statsView } from '../../src/observe/stats.ts';
import { sumReports } from '../../src/observe/stats-sum.ts';
import { backendReading } from '../support/gateway-readings.ts';

const pipe = { pipeId: 'p', clientId: 'c', clientIp: '127.0.0.1' };
const link = { ...pipe, backendId: 'b', backendUrl: 'ws://b/' };
const traffic = { messagesToBackend: 1, messagesToClient: 2, bytesToBackend: 10, bytesToClient: 20 };

function readings(lagMs: number): GatewayReadings {
  return {
    readings: () => [{ state: 'open', client: {}, backend: {}, traffic }],
    options: { limits: { maxPipes: 10 } },
    budget: { usedBytes: 7, maxBytes: 100 },
    wheel: { lag: () => ({ maxMs: lagMs, lastMs: 0 }) },
    backends: () => [backendReading({ id: 'b' })],
    heartbeat: () => ({ settings: defaultHeartbeat }),
  };
}

function gatewayWith(gaps: readonly number[]): GatewayStats {
  const stats = new GatewayStats(() => 0);
  for (const gapMs of gaps) {
    stats.sink('pipe.interrupted', { ...link, reason: 'lost', journalMessages: 0, journalBytes: 0 });
    stats.sink('pipe.restored', { ...link, gapMs, attempt: 1, generation: 2, replayed: 3 });
  }
  return stats;
}

test('counts, bytes and traffic are added; the longest delay of an event loop counts; percentiles are those of all gaps', () => {
  const short = Array.from({ length: 60 }, (_, index) => 20 + index);
  const long = Array.from({ length: 40 }, (_, index) => 5000 + index * 50);
  const one = { gateway: 'gw-1', report: gatewayWith(short).report(readings(3)) };
  const two = { gateway: 'gw-2', report: gatewayWith(long).report(readings(40)) };
  const all = statsView(gatewayWith([...short, ...long]).report(readings(40)));
  const sum = statsView(sumReports(one, [two]));
  assert.deepEqual(sum.windows, all.windows, 'as if all had happened at one gateway');
  assert.notEqual(sum.windows.lastMinute.gaps.p50Ms, statsView(two.report).windows.lastMinute.gaps.p50Ms);
  assert.deepEqual([sum.totals.interruptions, sum.totals.restored, sum.totals.replayed], [100, 100, 300]);
  assert.deepEqual(sum.totals.traffic, {
    messagesToBackend: 2,
    messagesToClient: 4,
    bytesToBackend: 20,
    bytesToClient: 40,
  });
  assert.deepEqual([sum.pipes.total, sum.pipes.byState.open, sum.pipes.byState.closing], [2, 2, 0]);
  assert.deepEqual(sum.buffer, { usedBytes: 14, maxBytes: 200 });
  assert.equal(sum.eventLoop.lagMs, 40);
  assert.equal(sum.backends.total, 1, 'both have the same one');
});

test('it is unstable where one of them is, and the reason names it', () => {
  const calm = { gateway: 'gw-2', report: gatewayWith([]).report(readings(1)) };
  const shaken = Array.from({ length: 7 }, (_, index) => ({
    gateway: `gw-${index + 3}`,
    report: gatewayWith([50, 60, 70, 80]).report(readings(1)),
  }));
  assert.deepEqual([sumReports(calm, []).unstable, sumReports(calm, []).reason], [false, null]);
  const one = sumReports(calm, shaken.slice(0, 1));
  assert.equal(one.unstable, true);
  assert.match(one.reason!, /^gw-3: 4 failures/);
  const many = sumReports(calm, shaken).reason!;
  assert.equal(many.match(/gw-/g)?.length, 5);
  assert.match(many, /and 2 more gateways$/);
});

test('what a gateway says of itself fits what the others believe, and half of it does not', () => {
  const report = gatewayWith([15, 900]).report(readings(1));
  assert.ok(Value.Check(statsQuestion.answers, report));
  for (const name of Object.keys(report)) {
    const rest = Object.fromEntries(Object.entries(report).filter(([other]) => other !== name));
    assert.ok(!Value.Check(statsQuestion.answers, rest as unknown), `without ${name}`);
  }
  assert.ok(!Value.Check(statsQuestion.answers, { ...report, more: 1 } as unknown));
});
