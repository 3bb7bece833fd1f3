import type { TestContext } from 'node:test';
import { socketPair } from './socket-pair.ts';

/**
 * Makes this process do nothing for so long, as one that is starved or frozen. `read` is called when it reads again what came at the beginning
 * of that: after the timers that are due by then.
 */
export async function makeStandStill(t: TestContext): Promise<(ms: number, read: () => void) => Promise<void>> {
  const { near, far } = await socketPair(t);
  let told: () => void = () => {};
  near.on('data', () => told());
  return (ms, read) =>
    new Promise((resolve) => {
      // In a timer Node would read before it looks for the others.
      setImmediate(() => {
        told = read;
        far.write('something');
        const end = performance.now() + ms;
        while (performance.now() < end);
        resolve();
      });
    });
}
