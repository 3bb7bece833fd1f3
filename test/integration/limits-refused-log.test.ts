import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { until } from '../support/wait.ts';
import { assertReached } from './limits-scenario.ts';

test('limits.refusedLogsPerSecond: of clients that are turned away so many lines are written, and how many were not; the metric has all', async (t) => {
  const log = new LogCapture();
  const gateway = await startGateway(t, {
    fastify: { logger: { level: 'info', stream: log } },
    limits: { refusedLogsPerSecond: 1 },
  });
  let tries = 0;
  const tryIt = async (): Promise<void> => {
    tries += 1;
    await connectRefused(t, gateway.url, { headers: { origin: 'https://elsewhere.example' } });
  };
  for (let n = 0; n < 20; n += 1) await tryIt();
  const lines = () => log.events('pipe.refused');
  assert.ok(lines().length < 20, `${lines().length} lines`);
  const leftOut = () => lines().find((line) => 'leftOut' in line)?.['leftOut'];
  const told = async (): Promise<boolean> => {
    await tryIt();
    return leftOut() !== undefined;
  };
  await until(told, { intervalMs: 100, what: 'a line that says how many were not' });
  assert.ok(Number(leftOut()) > 0);
  await assertReached(gateway, 'holdfast_pipes_refused_total', tries);
});
