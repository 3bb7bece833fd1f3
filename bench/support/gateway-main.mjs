// The process behind gateway-process.ts: a gateway alone, with what tests and benches do to it from outside.

import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { register } from 'tsx/esm/api';

/** @typedef {{ do: 'block', ms: number } | { do: 'counts' } | { do: 'events', name: string } | { do: 'usage' } | { do: 'profile', ms: number, file: string } | { do: 'pipes' }} Command */

register();
const { default: Fastify } = await import('fastify');
const { default: holdfast } = await import('../../src/index.ts');

/** @type {{ options: import('../../src/options.ts').HoldfastOptions, token: string, count: boolean }} */
const { options, token, count } = JSON.parse(process.argv[2] ?? '{}');
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
