// The process behind gateway-process.ts: a gateway alone, with what tests and benches do to it from outside.

import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** @typedef {{ do: 'block', ms: number } | { do: 'counts' } | { do: 'events', name: string } | { do: 'usage' } | { do: 'profile', ms: number, file: string } | { do: 'pipes' } | { do: 'rounds', ms: number }} Command */

/** @type {{ options: import('../../src/options.ts').HoldfastOptions, token: string, count: boolean, build?: string }} */
const { options, token, count, build } = JSON.parse(process.argv[2] ?? '{}');
// As the command has it, and before the rest is loaded.
if (build === undefined) (await import('tsx/esm/api')).register();
else await import(new URL('command/memory-flags.js', build).href);
const { default: Fastify } = await import('fastify');
const { default: holdfast } = await import(build ?? '../../src/index.ts');
const app = Fastify({ logger: false });
await app.register(holdfast, { shutdown: { spreadMs: 0 }, ...options, admin: { auth: { tokens: [token] } } });
await app.ready();

const manager = app.pipeManager;
/** @type {Record<string, number>} */
const counts = {};
/** @type {{ name: string, event: object }[]} */
const rare = [];
if (count) {
  manager.events.tap((name, event) => {
    counts[name] = (counts[name] ?? 0) + 1;
    if (/^(heartbeat\.(missed|timeout)|pipe\.(closed|interrupted)|gateway|config)/.test(name) && rare.length < 50_000)
      rare.push({ name, event });
  });
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

/** @param {number} ms */
function block(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

const mostRounds = 2_000_000;

/**
 * CPU time of each round of the event loop, milliseconds: so long a message that has come may have to wait for the others. Unlike waiting
 * times it does not depend on what else the machine does. @param {number} ms
 */
function measureRounds(ms) {
  const until = performance.now() + ms;
  // Taken beforehand: a list that grows would be measured itself.
  const rounds = new Float64Array(mostRounds);
  let count = 0;
  const cpuMicroseconds = () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  };
  return new Promise((resolve) => {
    let last = cpuMicroseconds();
    const round = () => {
      const now = cpuMicroseconds();
      rounds[count] = (now - last) / 1000;
      count += 1;
      if (count === mostRounds || performance.now() > until) return resolve(rounds.slice(0, count));
      last = now;
      setImmediate(round);
    };
    setImmediate(round);
  });
}

/** @param {Command} command */
async function run(command) {
  switch (command.do) {
    case 'block':
      return block(command.ms);
    case 'counts':
      return counts;
    case 'events':
      return rare.filter(({ name }) => name === command.name).map(({ event }) => event);
    case 'usage': {
      collect();
      const { rss, heapUsed, external } = process.memoryUsage();
      return { rss, heapUsed, external, pipes: manager.size };
    }
    case 'profile': {
      const session = new Session();
      session.connect();
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: 500 });
      await session.post('Profiler.start');
      await new Promise((resolve) => setTimeout(resolve, command.ms));
      const { profile } = await session.post('Profiler.stop');
      session.disconnect();
      return writeFileSync(command.file, JSON.stringify(profile));
    }
    case 'pipes':
      return manager.size;
    case 'rounds':
      return measureRounds(command.ms);
  }
}

process.on('message', async (/** @type {{ id: number, command: Command }} */ { id, command }) => {
  try {
    process.send?.({ id, result: await run(command) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

await app.listen({ port: 0, host: '127.0.0.1', backlog: 4096 });
process.send?.({
  event: 'ready',
  data: { port: /** @type {import('node:net').AddressInfo} */ (app.server.address()).port },
});
