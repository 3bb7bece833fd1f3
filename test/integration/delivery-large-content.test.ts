import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { type Client, connect } from '../support/client.ts';
import { until } from '../support/wait.ts';
import { startPair } from './failover-scenario.ts';

const clients = 4;
const count = 25;

/** Lengths around those of reads and blocks; no two places of a message, and no two messages, look the same. */
const lengths = [65_522, 70_000, 131_072, 200_001, 300_000, 524_288, 16_000, 1_048_576, 262_130, 90];

function messageOf(client: number, n: number): Buffer {
  const bytes = Buffer.alloc(lengths[(client * 3 + n) % lengths.length]!);
  let state = (client * 1000 + n + 1) * 0x9e3779b1;
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, at);
  }
  bytes.writeUInt16BE(n, 0);
  return bytes;
}

const sha1 = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

/** In the order they came first; each must be what was sent. */
function echoesOf(client: Client, who: number): number[] {
  const seen = new Set<number>();
  for (const { data } of client.messages) {
    const message = data.subarray(2);
    const n = message.readUInt16BE(0);
    assert.equal(sha1(message), sha1(messageOf(who, n)), `client ${who}, message ${n}`);
    seen.add(n);
  }
  return [...seen];
}

test('Large messages of several pipes arrive as they were sent, with ends that stop reading and a backend that dies', async (t) => {
  const { a, b, gateway } = await startPair(
    t,
    { buffer: { onFull: 'pause', maxDownstreamBytes: 300_000 } },
    { record: false },
  );
  const ends = await Promise.all(Array.from({ length: clients }, () => connect(t, gateway.url)));
  for (let n = 0; n < count; n += 1) {
    for (const [who, client] of ends.entries()) client.send(messageOf(who, n));
  }
  const came = (least: number) => () => ends.every(({ messages }) => messages.length >= least);

  await until(came(3), { what: 'three echoes each' });
  ends[0]!.ws.pause();
  ends[1]!.ws.pause();
  await a.command({ do: 'pause' });
  await until(() => gateway.manager.budget.usedBytes > 1_000_000, { what: 'a backend that acknowledges nothing' });
  await a.command({ do: 'resume' });
  ends[0]!.ws.resume();
  await until(() => ends.some(({ messages }) => messages.length >= 8), { what: 'eight echoes' });
  await a.kill();
  await gateway.waitFor('pipe.restored', ({ backendId }) => backendId === 'b');
  await b.command({ do: 'pause' });
  await b.command({ do: 'resume' });
  ends[1]!.ws.resume();
  // Where the echo went down with its backend the message is not sent again; the last one proves that all before it went through.
  for (const [who, client] of ends.entries()) client.send(messageOf(who, count));
  await until(() => ends.every((client, who) => echoesOf(client, who).at(-1) === count), { timeoutMs: 20_000 });
  ends.forEach((client, who) => {
    const numbers = echoesOf(client, who);
    assert.deepEqual(
      numbers,
      [...numbers].sort((one, other) => one - other),
    );
  });
});
