/** Requests without an upgrade wait for their turn, and who has gone meanwhile is not served. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { serveInTurns } from '../../src/link/plain-requests.ts';
import { turns } from '../../src/link/turns.ts';
import { openRaw } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

test('a request whose connection has ended before its turn is not served; one behind it is', async (t) => {
  const served: (string | undefined)[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    served.push(request.url);
    response.end();
  });
  serveInTurns(server);
  // Between its coming and its turn.
  server.prependListener('request', ({ url, socket }: IncomingMessage) => {
    if (url === '/gone') socket.destroy();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const before = turns.taken;
  const ask = (path: string) => openRaw(t, { port, path, headers: { connection: 'close', upgrade: null } });
  const gone = await ask('/gone');
  gone.response().catch(() => {});
  await gone.waitClosed();
  await until(() => turns.taken === before + 1 && turns.waiting === 0, { what: 'its turn to be over' });
  assert.equal((await (await ask('/there')).response()).status, 200);
  assert.deepEqual(served, ['/there']);
  assert.equal(turns.taken, before + 2);
});
