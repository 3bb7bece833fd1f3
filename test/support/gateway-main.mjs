// The plugin in a process of its own, which tells over IPC what it holds: for tests of what a long or a bad day leaves behind.
import { readdirSync } from 'node:fs';
import { register } from 'tsx/esm/api';
import { heldMemory } from './held-memory.mjs';

const { options, token } = JSON.parse(process.argv[2] ?? '{}');

register();
const { default: Fastify } = await import('fastify');
const { default: holdfast } = await import('../../src/index.ts');
const { turns } = await import('../../src/link/turns.ts');

/** @type {string[]} */
const complaints = [];
const log = {
  level: 'warn',
  stream: {
    /** @param {string} line */
    write(line) {
      const { event, level, err, msg } = JSON.parse(line);
      // Events tell of the peers; what else is logged as a warning or worse is about ourselves.
      if (event === undefined && level >= 40) complaints.push(`${msg} ${err?.stack ?? ''}`);
    },
  },
};
process.on('warning', (warning) => complaints.push(String(warning.stack)));
const app = Fastify({ logger: log });
await app.register(holdfast, { admin: { auth: { tokens: [token] } }, client: { serve: false }, ...options });
await app.ready();
const manager = app.pipeManager;

/** @type {Record<string, number>} */
const counts = {};
manager.events.tap((name) => {
  counts[name] = (counts[name] ?? 0) + 1;
});

/** @param {Iterable<string>} names */
function tally(names) {
  /** @type {Record<string, number>} */
  const found = {};
  for (const name of names) found[name] = (found[name] ?? 0) + 1;
  return found;
}

/** @param {import('node:events').EventEmitter} emitter */
const listenersOf = (emitter) => emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);

async function figures() {
  const { heldBytes, rss } = await heldMemory();
  return {
    heldBytes,
    rss,
    resources: tally(process.getActiveResourcesInfo()),
    descriptors: readdirSync('/proc/self/fd').length,
    wheelTimers: manager.wheel.size,
    listeners: { process: listenersOf(process), server: listenersOf(app.server) },
    pipes: manager.size,
    upgraded: app.websocketServer.clients.size,
    leases: manager.backends().reduce((sum, backend) => sum + backend.connections, 0),
    journalBytes: manager.budget.usedBytes,
    slots: manager.entrance.pipes + manager.entrance.arriving,
    addresses: manager.entrance.addresses,
    greetings: manager.admission.greetings.size,
    watches: manager.admission.closures.size,
    waitingTurns: turns.waiting,
  };
}

const commands = {
  figures,
  size: () => manager.size,
  counts: () => counts,
  complaints: () => complaints,
};

process.on('message', async ({ id, command }) => {
  try {
    process.send?.({ id, result: await commands[command.do](command) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.stack : String(error) });
  }
});
process.on('disconnect', () => process.exit(0));
await app.listen({ host: '127.0.0.1', port: 0 });
const { port } = /** @type {import('node:net').AddressInfo} */ (app.server.address());
process.send?.({ event: 'ready', data: { port } });
