/** A gateway is a client of the one behind it: its barriers are pings, and that one limits what its clients may ping. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

test('as much as a client likes to send goes through a gateway behind a gateway, and all of it is acknowledged', async (t) => {
  const backend = await startBackend(t, { echo: false, record: { textBytes: 16 } });
  const inner = await startGateway(t, { backends: [backend.url], limits: { controlFramesPerSecond: 20 } });
  const outer = await startGateway(t, { backends: [inner.url] });
  const client = await connect(t, outer.url);
  const message = Buffer.alloc(32_768, 'x');
  const count = 1000;
  for (let n = 0; n < count; n += 1) {
    await new Promise<void>((resolve, reject) =>
      client.ws.send(message, (error) => (error ? reject(error) : resolve())),
    );
  }
  const kept = () => outer.manager.pipes().pipes.reduce((sum, { journal }) => sum + journal.messages, 0);
  await until(() => kept() === 0, { timeoutMs: 30_000, what: () => `the last acknowledgement; ${kept()} are kept` });
  const received = () => backend.received()[0]!.messages.length;
  await until(() => received() === count, { timeoutMs: 30_000, what: () => `${count} messages; ${received()} came` });
  assert.deepEqual(inner.eventsOf('limit.reached'), []);
  assert.deepEqual([client.closeInfo, outer.manager.size, inner.manager.size], [undefined, 1, 1]);
});
