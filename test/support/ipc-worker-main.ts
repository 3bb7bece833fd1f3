// A worker process of node:cluster with a store of its own, as a gateway has it. It beats, holds a record, listens, and does what it is told.
import { IpcStore } from '../../src/cluster/ipc/ipc-store.ts';

const store = new IpcStore();
const id = process.env['WORKER_NAME'] ?? 'worker';
const tell = (event: string, data?: unknown): void => void process.send?.({ event, data });

process.on('unhandledRejection', (error) => tell('unhandled', String(error)));
process.on('message', (message: { order?: string }) => {
  if (message.order === 'exit') process.exit(0);
  if (message.order === 'get') {
    store.get('pool').then(
      (record) => tell('got', record === null ? null : record.value.toString()),
      (error: Error & { reason?: string }) => tell('failed', error.reason),
    );
  }
});
store.subscribe('all', { message: (payload) => tell('heard', payload.toString()), gap: () => tell('subscribed') });
await store.beat(id, Buffer.from(`${process.pid}`), 60_000);
await store.put(`pipe:${id}`, { revision: 1, value: Buffer.from(id) }, { ifRevision: 0, ttlMs: 60_000 });
tell('ready');
