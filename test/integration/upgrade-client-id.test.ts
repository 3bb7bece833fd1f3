/** Who a client is, and what becomes of a second one with the same id. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { openRaw } from '../support/raw-client.ts';
import { deferred, until } from '../support/wait.ts';

const closing = { handshakeMs: 50, lingerMs: 200 };
const codeOf = (body: string) => (JSON.parse(body) as { code: string }).code;

test('a second client with the id of a live one gets 409 and the older one keeps running', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, { backends: [backend.url], path: '/ws/:clientId', closing });
  const url = gateway.url;
  const older = await connect(t, `${url}/anna`);
  const refusal = await connectRefused(t, `${url}/anna`);
  assert.equal(refusal.status, 409);
  assert.equal(codeOf(refusal.body), 'HOLDFAST_ERR_CLIENT_ID_IN_USE');
  assert.equal((await older.ask('still here')).text, 'a:still here');
  const other = await connect(t, `${url}/bert`);
  assert.equal((await other.ask('me too')).text, 'a:me too');
  assert.deepEqual(
    gateway.manager.pipes().pipes.map(({ clientId }) => clientId),
    ['anna', 'bert'],
  );
  assert.equal(gateway.eventsOf('pipe.refused')[0]?.clientId, 'anna');
});

test('of two at once with the same id, while the dial is slow, the second is refused at once', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], clientId: () => 'same', closing });
  const first = await openRaw(t, { port: gateway.port, path: '/ws' });
  const dial = await backend.nextConnection();
  const second = await openRaw(t, { port: gateway.port, path: '/ws' });
  assert.equal((await second.response()).status, 409);
  await dial.accept();
  assert.equal((await first.response()).status, 101);
});

test("with onDuplicateClient 'replace' the older one is closed with 4409 and the newer one is served", async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, {
    backends: [backend.url],
    clientId: () => 'same',
    onDuplicateClient: 'replace',
    limits: { maxPipes: 2 },
    closing,
  });
  const older = await connect(t, gateway.url);
  const newer = await connect(t, gateway.url);
  assert.equal((await older.waitClosed()).code, 4409);
  assert.equal((await newer.ask('hello')).text, 'a:hello');
  const closed = await gateway.waitFor('pipe.closed');
  assert.equal(closed.reason, 'replaced');
});

test("with 'replace' an older one whose dial is still slow is told 409, not that the gateway ends", async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, {
    backends: [backend.url],
    clientId: () => 'same',
    onDuplicateClient: 'replace',
    closing,
  });
  const older = await openRaw(t, { port: gateway.port, path: '/ws' });
  const firstDial = await backend.nextConnection();
  const newer = await openRaw(t, { port: gateway.port, path: '/ws' });
  const answer = await older.response();
  assert.equal(answer.status, 409);
  assert.equal(codeOf(answer.body), 'HOLDFAST_ERR_CLIENT_ID_IN_USE');
  await firstDial.waitClosed();
  await backend.acceptNext();
  assert.equal((await newer.response()).status, 101);
});

for (const how of ['close', 'terminate'] as const) {
  test(`the id is free at once after a client's ${how}, also while its Close is not answered by the backend`, async (t) => {
    const backend = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
    const gateway = await startGateway(t, { backends: [backend.url], clientId: () => 'same', closing });
    for (let round = 1; round <= 3; round += 1) {
      const client = await connect(t, gateway.url);
      client.send('leaves a journal');
      client[how]();
      await client.waitClosed();
      if (how === 'terminate')
        await until(() => gateway.manager.pipes({ clientId: 'same' }).pipes.every(({ state }) => state === 'closing'), {
          what: 'the gateway to see it',
        });
    }
    assert.deepEqual(gateway.eventsOf('pipe.refused'), []);
  });
}

const functions: readonly (readonly [name: string, clientId: () => unknown, status: number, code: string])[] = [
  ['answers a number', () => 7, 400, 'HOLDFAST_ERR_CLIENT_ID_INVALID'],
  ['answers undefined', () => undefined, 400, 'HOLDFAST_ERR_CLIENT_ID_INVALID'],
  ['answers null', () => null, 400, 'HOLDFAST_ERR_CLIENT_ID_INVALID'],
  ['answers an object', async () => ({ id: 'x' }), 400, 'HOLDFAST_ERR_CLIENT_ID_INVALID'],
  ['answers an empty string', () => '', 400, 'HOLDFAST_ERR_CLIENT_ID_INVALID'],
  ['answers a string with a line end', () => 'a\nb', 400, 'HOLDFAST_ERR_CLIENT_ID_INVALID'],
  ['answers 257 characters', () => 'x'.repeat(257), 400, 'HOLDFAST_ERR_CLIENT_ID_INVALID'],
  [
    'throws',
    () => {
      throw new Error('secret detail');
    },
    500,
    'HOLDFAST_ERR_INTERNAL',
  ],
  ['rejects', () => Promise.reject(new Error('secret detail')), 500, 'HOLDFAST_ERR_INTERNAL'],
  ['rejects with no error', () => Promise.reject(undefined), 500, 'HOLDFAST_ERR_INTERNAL'],
  [
    'rejects with a status',
    () => Promise.reject(Object.assign(new Error('log in'), { statusCode: 401 })),
    401,
    'HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
  ],
];
for (const [name, clientId, status, code] of functions) {
  test(`a clientId function that ${name} refuses that client with ${status} and nobody else`, async (t) => {
    const backend = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
    let calls = 0;
    const gateway = await startGateway(t, {
      backends: [backend.url],
      closing,
      clientId: () => {
        calls += 1;
        return calls === 1 ? (clientId() as string) : 'good';
      },
    });
    const refusal = await connectRefused(t, gateway.url);
    assert.equal(refusal.status, status, refusal.body);
    assert.equal(codeOf(refusal.body), code);
    assert.doesNotMatch(refusal.body, /secret detail/);
    assert.deepEqual(
      gateway.eventsOf('pipe.refused').map((event) => [event.statusCode, event.code]),
      [[status, code]],
    );
    await connect(t, gateway.url);
    assert.equal(gateway.manager.pipes().pipes[0]?.clientId, 'good');
  });
}

test('an async clientId function sees the request and names the client', async (t) => {
  const backend = await startBackend(t, { tag: 'a' });
  const gateway = await startGateway(t, {
    backends: [backend.url],
    closing,
    clientId: async (request) => {
      await new Promise((resolve) => setImmediate(resolve));
      return `user-${(request.query as { user: string }).user}`;
    },
  });
  await connect(t, `${gateway.url}?user=7`);
  assert.equal(gateway.manager.pipes().pipes[0]?.clientId, 'user-7');
});

test('without a clientId function and parameter each client gets an id of its own', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  await Promise.all([connect(t, gateway.url), connect(t, gateway.url)]);
  const ids = gateway.manager.pipes().pipes.map(({ clientId }) => clientId);
  assert.equal(new Set(ids).size, 2);
});

test('a client over limits.maxPipes gets 503 with Retry-After, and there is room when one leaves', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], limits: { maxPipes: 2 }, closing });
  const [first] = await Promise.all([connect(t, gateway.url), connect(t, gateway.url)]);
  const refusal = await connectRefused(t, gateway.url);
  assert.equal(refusal.status, 503);
  assert.match(refusal.headers['retry-after'] ?? '', /^\d+$/);
  assert.equal(codeOf(refusal.body), 'HOLDFAST_ERR_GATEWAY_FULL');
  first.close();
  await gateway.waitFor('pipe.closed');
  await connect(t, gateway.url);
});

test('while the manager closes, new clients get 503 with Retry-After and those there are closed with 1012', async (t) => {
  const backend = await startBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], shutdown: { spreadMs: 300 }, closing });
  const clients = await Promise.all([connect(t, gateway.url), connect(t, gateway.url)]);
  const ended = gateway.manager.close();
  const refusal = await connectRefused(t, gateway.url);
  assert.equal(refusal.status, 503);
  assert.match(refusal.headers['retry-after'] ?? '', /^\d+$/);
  assert.equal(codeOf(refusal.body), 'HOLDFAST_ERR_GATEWAY_CLOSING');
  for (const client of clients) assert.equal((await client.waitClosed()).code, 1012);
  await ended;
});

test('a client whose dial is slow when the gateway closes gets 503', async (t) => {
  const backend = await startRawBackend(t);
  const gateway = await startGateway(t, { backends: [backend.url], closing });
  const client = await openRaw(t, { port: gateway.port, path: '/ws' });
  const dial = await backend.nextConnection();
  const ended = gateway.app.close();
  const answer = await client.response();
  assert.equal(answer.status, 503);
  assert.equal(codeOf(answer.body), 'HOLDFAST_ERR_GATEWAY_CLOSING');
  await dial.waitClosed();
  await ended;
});

test('a clientId function that is at work when the gateway closes does not keep it from closing', async (t) => {
  const asked = deferred();
  const answer = deferred<string>();
  const gateway = await startGateway(t, {
    closing,
    clientId: () => {
      asked.resolve();
      return answer.promise;
    },
  });
  const client = await openRaw(t, { port: gateway.port, path: '/ws' });
  await asked.promise;
  const ended = gateway.app.close();
  await gateway.waitFor('gateway.closed');
  answer.resolve('late');
  assert.equal((await client.response()).status, 503);
  await ended;
});
