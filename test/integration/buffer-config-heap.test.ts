/**
 * Memory after an interruption at the bound. Here it lasts 3 s; the long form:
 *   INTERRUPTION_MS=600000 node --import tsx --test test/integration/buffer-config-heap.test.ts
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GatewayMemory, GatewayState } from '../chaos/stage.ts';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { ManagedChild } from '../support/managed-child.ts';
import { sleep, until } from '../support/wait.ts';

const interruptionMs = Number(process.env['INTERRUPTION_MS'] ?? 3000);
const MiB = 1_048_576;
const clientCount = 40;

test('after an interruption with every journal at its bound the memory is back within 10 %, once it is drained', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-heap-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const backend = await startBackend(t, { echo: false });
  const options = {
    backends: [backend.url],
    buffer: { maxBytesPerPipe: MiB, onFull: 'pause' },
    failover: { maxInterruptionMs: 0 },
  };
  const { child: gateway, ready } = await ManagedChild.start<{ port: number }>({
    module: new URL('../chaos/gateway-main.mjs', import.meta.url),
    argument: { options, token: 'heap-token-0123456789', eventFile: join(folder, 'events.log') },
    what: 'the gateway',
    readyTimeoutMs: 30_000,
  });
  t.after(() => gateway.kill());
  const state = () => gateway.request<GatewayState>({ do: 'state' });
  const memory = () => gateway.request<GatewayMemory>({ do: 'memory' }, 20_000);
  /** When the memory that waits to be used again has been let go: what nobody needed for a second. */
  const settled = async (): Promise<GatewayMemory> => {
    let last = await memory();
    for (let looks = 0; looks < 10; looks += 1) {
      const { heldBytes } = last;
      // Twice as long as what nobody needs is kept: in the first second it still counts as needed.
      await sleep(2500);
      last = await memory();
      if (Math.abs(last.heldBytes - heldBytes) < MiB / 4) break;
    }
    return last;
  };
  const clients = await Promise.all(
    Array.from({ length: clientCount }, () => connect(t, `ws://127.0.0.1:${ready.port}/ws`)),
  );
  const fill = () => {
    for (const client of clients) client.sendNumbered({ count: 150, bytes: 10_000 });
  };
  const drained = () => until(async () => (await state()).journalBytes === 0, { timeoutMs: 30_000, intervalMs: 50 });
  // Code is compiled and pools are made by a first round.
  fill();
  await drained();
  const before = await settled();

  await backend.kill();
  await until(async () => (await state()).states['interrupted'] === clientCount, { intervalMs: 20 });
  fill();
  await until(async () => (await state()).usedBytes >= clientCount * MiB, {
    timeoutMs: 30_000,
    intervalMs: 50,
    what: 'all journals to be full',
  });
  await sleep(interruptionMs);
  const during = await memory();
  assert.ok(during.heldBytes > before.heldBytes + clientCount * MiB, JSON.stringify({ before, during }));
  assert.ok((await state()).usedBytes <= clientCount * (MiB + 65_536), 'the bound holds');
  const most = 1.15 * (await state()).usedBytes + before.heldBytes;
  t.diagnostic(
    `${(during.heldBytes / MiB).toFixed(1)} MiB for ${((await state()).usedBytes / MiB).toFixed(1)} MiB of journals`,
  );
  assert.ok(during.heldBytes < most, `journals cost little more than what is in them: ${JSON.stringify(during)}`);

  await backend.restart();
  await until(async () => (await state()).states['open'] === clientCount, { timeoutMs: 20_000, intervalMs: 50 });
  await drained();
  const after = await settled();
  t.diagnostic(
    `held after gc: ${(before.heldBytes / MiB).toFixed(1)} MiB before, ${(after.heldBytes / MiB).toFixed(1)} after`,
  );
  assert.ok(after.heldBytes <= before.heldBytes * 1.1, JSON.stringify({ before, after }));
  assert.ok(clients.every(({ closeInfo }) => closeInfo === undefined));
});
