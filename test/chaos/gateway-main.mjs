// The gateway of a chaos run: the plugin in a process of its own. Its events go to a file; over IPC it tells of its memory.
import { appendFileSync } from 'node:fs';
import { register } from 'tsx/esm/api';
import { heldMemory } from '../support/held-memory.mjs';

const { options, token, eventFile, port } = JSON.parse(process.argv[2] ?? '{}');

register();
const { default: Fastify } = await import('fastify');
const { default: holdfast } = await import('../../src/index.ts');
const app = Fastify({ logger: false });
await app.register(holdfast, { admin: { auth: { tokens: [token] } }, ...options });
await app.ready();
const manager = app.pipeManager;

let lines = '';
/** @type {Record<string, number>} */
const counts = {};
manager.events.tap((name, event) => {
  counts[name] = (counts[name] ?? 0) + 1;
  if (name === 'heartbeat.ping' || name === 'heartbeat.pong' || name === 'backend.awaited') return;
  const { clientIp, backendUrl, ...fields } = /** @type {Record<string, unknown>} */ (event);
  lines += `${Date.now()} ${name} ${JSON.stringify(fields)}\n`;
});
const flush = () => {
  if (lines !== '') appendFileSync(eventFile, lines);
  lines = '';
};
setInterval(flush, 200).unref();

function countStates() {
  /** @type {Record<string, number>} */
  const states = {};
  for (const { state } of manager) states[state] = (states[state] ?? 0) + 1;
  return states;
}

const commands = {
  memory: heldMemory,
  /** Rehearses a failover on every pipe. */
  interruptAll: () => [...manager].filter((pipe) => pipe.interrupt('operator')).length,
  state: () => ({
    pipes: manager.size,
    states: countStates(),
    moving: [...manager].filter((pipe) => pipe.migrating).length,
    journalMessages: [...manager].reduce((sum, pipe) => sum + pipe.upstream.journal.messages, 0),
    journalBytes: [...manager].reduce((sum, pipe) => sum + pipe.upstream.journal.bytes, 0),
    usedBytes: manager.budget.usedBytes,
    cpuMs: process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000,
  }),
  counts: () => counts,
};

process.on('message', async ({ id, command }) => {
  try {
    process.send?.({ id, result: await commands[command.do](command) });
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.stack : String(error) });
  }
});
process.on('uncaughtException', (error) => {
  lines += `${Date.now()} uncaught ${JSON.stringify(error.stack)}\n`;
  flush();
  console.error(error);
  process.exit(1);
});
process.on('disconnect', () => process.exit(0));
await app.listen({ host: '127.0.0.1', port: port ?? 0 });
process.send?.({
  event: 'ready',
  data: { port: /** @type {import('node:net').AddressInfo} */ (app.server.address()).port },
});
