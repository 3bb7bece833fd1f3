/** Connections that are dropped later: how many at most, for how long, and not beyond the end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createConnection, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Tarpit } from '../../src/limits/tarpit.ts';
import { screenConnections } from '../../src/link/connections.ts';
import { until } from '../support/wait.ts';

/** An HTTP server of which each connection is in the tarpit. */
async function start(t: TestContext, tarpit: Tarpit) {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    response.end();
  });
  screenConnections(server, (socket: Socket) => {
    tarpit.take(socket);
    return false;
  });
  t.after(() => {
    tarpit.dispose();
    server.close();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  /** Answers when it is accepted. */
  const dial = async () => {
    const accepted = once(server, 'connection');
    const begun = performance.now();
    const socket = createConnection(port, '127.0.0.1')
      .on('error', () => {})
      .resume();
    t.after(() => socket.destroy());
    socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
    const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now() - begun)));
    await accepted;
    return { closed };
  };
  return { dial, requests: () => requests };
}

test('a connection is kept unread for the time, and one more than there is room for ends at once', async (t) => {
  const tarpit = new Tarpit({ most: 2, holdMs: 200 });
  const { dial, requests } = await start(t, tarpit);
  const held = [await dial(), await dial()];
  const more = await dial();
  await more.closed;
  assert.equal(tarpit.size, 2);
  for (const { closed } of held) assert.ok((await closed) > 190);
  await until(() => tarpit.size === 0);
  assert.equal(requests(), 0, 'its request was answered');
});

test('at the end all are dropped, and whatever comes afterwards at once', async (t) => {
  const tarpit = new Tarpit({ most: 10, holdMs: 3_600_000 });
  const { dial } = await start(t, tarpit);
  const held = await dial();
  assert.equal(tarpit.size, 1);
  tarpit.dispose();
  tarpit.dispose();
  await held.closed;
  await (await dial()).closed;
  assert.equal(tarpit.size, 0);
});
