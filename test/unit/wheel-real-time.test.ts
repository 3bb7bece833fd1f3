import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';

test('with the real clock: in order, not early, and a stall is seen', async () => {
  const stalls: number[] = [];
  const wheel = new TimerWheel({ onStall: (ms) => stalls.push(ms) });
  const begin = performance.now();
  const fired: [name: string, at: number][] = [];
  await new Promise<void>((resolve) => {
    const owner = {
      timerFired(name: string) {
        fired.push([name, performance.now() - begin]);
        if (name === '10') block(120);
        if (name === '180') resolve();
      },
    };
    for (const ms of [180, 10, 40]) wheel.timer(owner, `${ms}`).start(ms);
    // The wheel's own timer does not keep the process alive.
    const keepAlive = setTimeout(() => {}, 5_000);
    wheel.timer({ timerFired: () => clearTimeout(keepAlive) }, 'end').start(180);
  });
  wheel.dispose();
  assert.deepEqual(
    fired.map(([name]) => name),
    ['10', '40', '180'],
  );
  for (const [name, at] of fired) assert.ok(at >= Number(name), `${name} fired at ${at}`);
  assert.ok(stalls.length >= 1 && stalls[0]! >= 60, `${stalls}`);
});

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
