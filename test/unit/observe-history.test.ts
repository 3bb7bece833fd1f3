import assert from 'node:assert/strict';
import test from 'node:test';
import { historyLength, PipeHistories } from '../../src/observe/history.ts';

const fields = (pipeId: string) => ({ pipeId, clientId: 'c', clientIp: '127.0.0.1' });
const link = (pipeId: string) => ({ ...fields(pipeId), backendId: 'b', backendUrl: 'ws://b/' });

function make() {
  const clock = { now: Date.parse('2026-11-02T08:00:00.000Z') };
  const histories = new PipeHistories<{ id: string }>(() => clock.now);
  const open = (id: string) => histories.sink('pipe.opened', { ...fields(id), protocol: '' });
  const ping = (id: string, hop: 'client' | 'backend' = 'client') =>
    histories.sink('heartbeat.ping', { ...fields(id), hop, form: 'rfc6455' });
  const pong = (id: string, hop: 'client' | 'backend' = 'client') =>
    histories.sink('heartbeat.pong', { ...fields(id), hop, form: 'rfc6455', rttMs: 1 });
  const missed = (id: string, hop: 'client' | 'backend' = 'client') =>
    histories.sink('heartbeat.missed', { ...fields(id), hop, silentMs: 1000.04, timeoutMs: 3000 });
  const names = (id: string) => histories.of(id).map(({ event }) => event);
  return { clock, histories, open, ping, pong, missed, names };
}

test('entries have their time, their name and the fields the pipe does not say itself', () => {
  const { clock, histories, open, missed } = make();
  open('p');
  clock.now += 1234;
  missed('p');
  assert.deepEqual(histories.of('p'), [
    { at: '2026-11-02T08:00:00.000Z', event: 'pipe.opened', fields: { protocol: '' } },
    {
      at: '2026-11-02T08:00:01.234Z',
      event: 'heartbeat.missed',
      fields: { hop: 'client', silentMs: 1000, timeoutMs: 3000 },
    },
  ]);
});

test('heartbeats of a healthy pipe are left out, those of a silent hop are there until it answers', () => {
  const { open, ping, pong, missed, names } = make();
  open('p');
  open('healthy');
  ping('p');
  pong('p');
  missed('p');
  ping('p');
  ping('p', 'backend');
  ping('healthy');
  pong('p', 'backend');
  pong('p');
  ping('p');
  assert.deepEqual(names('p'), ['pipe.opened', 'heartbeat.missed', 'heartbeat.ping', 'heartbeat.pong']);
  assert.deepEqual(names('healthy'), ['pipe.opened']);
});

test('the next backend is not suspected for the silence of the one before', () => {
  const { histories, open, ping, missed, names } = make();
  open('p');
  missed('p', 'backend');
  histories.sink('backend.detached', { ...link('p'), closeCode: 1006, attachedMs: 1 });
  ping('p', 'backend');
  assert.deepEqual(names('p'), ['pipe.opened', 'heartbeat.missed', 'backend.detached']);
});

test('the last 50 are kept', () => {
  const { histories, open, names } = make();
  open('p');
  for (let attempt = 1; attempt <= 60; attempt += 1)
    histories.sink('backend.attempt', { ...link('p'), attempt, generation: 1, reason: 'failover' });
  const kept = histories.of('p');
  assert.equal(kept.length, historyLength);
  assert.equal(kept[0]?.fields['attempt'], 11);
  assert.equal(kept.at(-1)?.fields['attempt'], 60);
  assert.ok(!names('p').includes('pipe.opened'));
});

test('a closed pipe is kept with its view, the last 200 of them; one that never opened is not', () => {
  const { histories, open } = make();
  for (let index = 0; index < 205; index += 1) {
    open(`p${index}`);
    histories.close(`p${index}`, () => ({ id: `p${index}` }));
  }
  assert.equal(histories.size, 0);
  assert.equal(histories.closed('p4'), undefined);
  assert.deepEqual(histories.closed('p5')?.id, 'p5');
  assert.deepEqual(
    histories.closed('p204')?.history.map(({ event }) => event),
    ['pipe.opened'],
  );

  histories.sink('backend.attempt', { ...link('x'), attempt: 1, generation: 1, reason: 'open' });
  assert.equal(histories.size, 1);
  histories.close('x', () => ({ id: 'x' }));
  assert.equal(histories.size, 0);
  assert.equal(histories.closed('x'), undefined);
});

test('an event that comes late does not bring the history of a closed pipe back', () => {
  const { histories, open, missed } = make();
  open('p');
  histories.close('p', () => ({ id: 'p' }));
  missed('p');
  histories.sink('backend.detached', { ...link('p'), closeCode: 1001, attachedMs: 1 });
  assert.equal(histories.size, 0);
  assert.equal(histories.closed('p')?.history.length, 1);
});

test('an idle pipe costs less than 1.5 KiB, however many heartbeats it has', async () => {
  const { setFlagsFromString } = await import('node:v8');
  const { runInNewContext } = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const { histories, ping, pong, open } = make();
  const ids = Array.from({ length: 5000 }, (_, index) => `pipe-${index}`);
  gc();
  const before = process.memoryUsage().heapUsed;
  for (const id of ids) {
    histories.sink('backend.attempt', { ...link(id), attempt: 1, generation: 1, reason: 'open' });
    histories.sink('backend.attached', { ...link(id), attempt: 1, generation: 1, dialMs: 1.5 });
    open(id);
    for (let beat = 0; beat < 20; beat += 1) {
      ping(id);
      pong(id);
    }
  }
  gc();
  const each = (process.memoryUsage().heapUsed - before) / ids.length;
  assert.equal(histories.size, 5000);
  assert.ok(each < 1536, `${Math.round(each)} bytes`);
});
