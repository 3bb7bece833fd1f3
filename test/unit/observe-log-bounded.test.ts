import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventLog } from '../../src/observe/log.ts';

const refused = { clientIp: '203.0.113.1', statusCode: 429, code: 'HOLDFAST_ERR_ADDRESS_FULL' };
const opened = { pipeId: 'p', clientId: 'c', clientIp: '203.0.113.1', protocol: '' };

function logged(refusedLogsPerSecond: number) {
  let now = 0;
  const lines: Record<string, unknown>[] = [];
  const write = (fields: object): void => void lines.push(fields as Record<string, unknown>);
  const logger = { trace: write, debug: write, info: write, warn: write, error: write, isLevelEnabled: () => true };
  const sink = eventLog(logger, { refusedLogsPerSecond, now: () => now });
  return { sink, lines, pass: (ms: number) => (now += ms) };
}

test('lines that strangers cause are bounded, and the next one says how many were left out; others are all written', () => {
  const { sink, lines, pass } = logged(2);
  for (let n = 0; n < 1000; n += 1) sink('pipe.refused', refused);
  assert.equal(lines.length, 10, 'five seconds\u2019 worth at once');
  for (let n = 0; n < 100; n += 1) sink('pipe.opened', opened);
  assert.equal(lines.length, 110);
  pass(500);
  sink('pipe.refused', refused);
  sink('pipe.refused', refused);
  assert.equal(lines.length, 111);
  assert.equal(lines.at(-1)?.['leftOut'], 990);
  sink('pipe.violated', { ...opened, hop: 'client', closeCode: 1002, detail: 'x' });
  assert.equal(lines.length, 112, 'each event has its own');
  pass(10_000);
  sink('pipe.refused', refused);
  assert.equal(lines.at(-1)?.['leftOut'], 1);
  sink('pipe.refused', refused);
  assert.equal('leftOut' in (lines.at(-1) ?? {}), false);
});

test('0 = all are written', () => {
  const { sink, lines } = logged(0);
  for (let n = 0; n < 1000; n += 1) sink('pipe.refused', refused);
  assert.equal(lines.length, 1000);
});
