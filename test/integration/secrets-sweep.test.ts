/**
 * One secret of each kind goes through the gateway, while all goes well and while it does not. Then everything that the gateway says is searched
 * for them: the log at its finest level, all events, the answer of every GET route, metrics, errors, refusals of upgrades.
 */
import assert from 'node:assert/strict';
import { createHash, createPrivateKey } from 'node:crypto';
import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect, connectRefused } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { LogCapture } from '../support/log-capture.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw } from '../support/raw-client.ts';
import { connectResumable } from '../support/resume-client.ts';
import { until } from '../support/wait.ts';

const secret = (name: string) => `SECRET-${name}`;
const writeToken = secret('write-token');
const readToken = secret('read-token');
const passphrase = secret('passphrase');

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean }[];
}

test('no secret is in any output', async (t) => {
  const log = new LogCapture();
  const { server, ca, client: own, expired } = await certificates();
  const key = createPrivateKey(own.key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
  const tls = { ...server, clientCa: ca.cert };
  const [good, other, outdated] = await Promise.all([
    startBackend(t, { tag: 'a', record: true, tls, ticket: secret('ticket') }),
    startBackend(t, { tag: 'b', record: true, tls, ticket: secret('ticket') }),
    startBackend(t, { tls: { ...expired, clientCa: ca.cert } }),
  ]);
  const cursed = await startRawBackend(t, {
    onConnection: (connection) =>
      void connection.respond(`HTTP/1.1 500 ${secret('status')}`, { 'X-A': secret('header') }, secret('body')),
  });
  const query = `?key=${secret('backend-query')}`;
  const digestOf = secret('token-by-digest');
  const gateway = await startGateway(t, {
    fastify: { logger: { level: 'trace', stream: log } },
    backends: [`${good.url}/${query}`, `${other.url}/${query}`],
    backendTls: { ca: ca.cert, cert: own.cert, key: key.toString(), passphrase },
    admin: {
      auth: {
        tokens: [
          { name: 'writer', role: 'write', token: writeToken },
          { name: 'reader', role: 'read', token: readToken },
          { name: 'digest', role: 'read', sha256: createHash('sha256').update(digestOf).digest('hex') },
        ],
      },
    },
    maxMessageBytes: 1000,
    failover: { handshakeWaitMs: 200, attachTimeoutMs: 100 },
    closing: { handshakeMs: 200, lingerMs: 200 },
    requestHeaders: (headers) => ({ ...headers, 'x-signed': secret('signature') }),
    onAttach: ({ pipe }) => {
      if (pipe.headers['x-hook'] === 'fails') throw new Error(`login with token=${secret('hook')} failed`);
    },
    clientId: (request) => {
      if (request.url.includes('throw')) throw new Error('no such session');
      return String(request.headers['x-user'] ?? `user-${Math.random()}`);
    },
  });
  const said: string[] = [];
  const tell = (text: string): void => void said.push(text);
  const ask = async (method: string, path: string, token: string, body?: string, type = 'application/json') => {
    const headers = { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': type }) };
    const answer = await fetch(`${gateway.httpUrl}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    tell(`${method} ${answer.status} ${JSON.stringify([...answer.headers])} ${await answer.text()}`);
    return answer.status;
  };
  const readAll = async () => {
    const document = await (await fetch(`${gateway.httpUrl}/docs/json`)).text();
    tell(document);
    const { paths } = JSON.parse(document) as { paths: Record<string, { get?: Operation }> };
    const ids = { backends: gateway.manager.backends()[0]?.id, pipes: gateway.manager.pipes().pipes[0]?.id };
    let asked = 0;
    for (const [path, { get }] of Object.entries(paths)) {
      if (get === undefined || path === '/ws') continue;
      const id = path.startsWith('/backends') ? ids.backends : ids.pipes;
      const filled = path.replace('{id}', id ?? 'none');
      assert.ok((await ask('GET', filled, readToken)) < 500, filled);
      asked += 1;
    }
    assert.ok(asked >= 11, `${asked} routes were read`);
    for (const { id } of gateway.manager.pipes().pipes) await ask('GET', `/pipes/${id}`, digestOf);
  };

  // Clients of all kinds, with what they bring.
  const url = `${gateway.url}/room?token=${secret('client-query')}`;
  const headers = {
    cookie: `sid=${secret('cookie')}`,
    authorization: `Bearer ${secret('authorization')}`,
    'x-api-key': secret('api-key'),
  };
  const protocols = ['chat', `base64url.bearer.authorization.k8s.io.${secret('subprotocol')}-and-more-to-make-it-long`];
  const client = await connect(t, url, { headers, protocols });
  assert.match((await client.ask(secret('payload'))).text, /^[ab]:/);
  const bearer = await connect(t, url, { headers, protocols: protocols.slice(1) });
  assert.match(bearer.headers['sec-websocket-protocol'] ?? '', /SECRET/, 'a token can be the agreed subprotocol');
  const resumable = await connectResumable(t, url, { headers: { ...headers, 'x-user': 'ann' } });
  const { pipe, token } = resumable.welcome;
  await readAll();
  await resumable.client.terminate();
  const again = await connectResumable(t, url, {
    headers: { ...headers, 'x-user': 'ann' },
    resume: { pipe, token, received: 0 },
  });
  assert.equal(again.welcome.resumed, true);
  const thief = await connectResumable(t, url, { resume: { pipe, token: secret('guessed-token'), received: 0 } });
  assert.equal(thief.welcome.resumed, false);

  // What goes wrong on the way.
  const { port } = gateway;
  const path = `/ws?token=${secret('client-query')}`;
  tell((await connectRefused(t, `${gateway.url}?throw=${secret('client-query')}`, { headers })).body);
  for (const bad of [
    { path: `/ws/../x?token=${secret('client-query')}`, expectStatus: 400 },
    { path: `/ws/%zz?token=${secret('client-query')}`, expectStatus: 400 },
    { path, headers: { ...headers, 'sec-websocket-key': secret('key') }, expectStatus: 400 },
  ])
    tell((await connectRaw(t, { port, headers, ...bad })).answer.raw);
  for (const method of ['GET', 'POST', 'DELETE'])
    tell(await (await fetch(`${gateway.httpUrl}${path}`, { method, headers: { cookie: headers.cookie } })).text());
  const rude = await connectRaw(t, { port, path, headers });
  await rude.sendFrame({ rsv: 7, payload: secret('payload') });
  tell((await rude.waitClosed()).reason);
  const big = await connectRaw(t, { port, path, headers });
  await big.sendText(secret('payload').repeat(100));
  tell((await big.waitClosed()).reason);
  const refused = connect(t, url, { headers: { ...headers, 'x-hook': 'fails' } });
  await gateway.waitFor('backend.attempt-failed', ({ failure }) => failure === 'attach-hook');
  await (await refused).terminate();

  // Backends that fail, with a query each.
  for (const [failing, failure] of [
    [cursed.url, 'status'],
    [outdated.url, 'tls'],
    ['ws://127.0.0.1:1', 'refused'],
    ['ws://no-such-host.invalid', 'refused'],
  ] as const) {
    assert.equal(
      await ask('POST', '/backends', writeToken, JSON.stringify({ url: `${failing}/${query}`, id: 'failing' })),
      201,
    );
    for (const { id } of gateway.manager.backends().filter((one) => one.id !== 'failing'))
      await ask('PATCH', `/backends/${id}`, writeToken, '{"adminState":"disabled"}');
    const before = gateway.events.length;
    const waiting = await connect(t, url, { headers });
    await until(
      () => gateway.events.slice(before).some(({ event }) => 'failure' in event && event.failure === failure),
      {
        what: `${failing} to fail as ${failure}`,
      },
    );
    await readAll();
    await waiting.terminate();
    for (const { id } of gateway.manager.backends().filter((one) => one.id !== 'failing'))
      await ask('PATCH', `/backends/${id}`, writeToken, '{"adminState":"enabled"}');
    await ask('DELETE', `/backends?url=${encodeURIComponent(`${failing}/${query}`)}&mode=force`, writeToken);
  }
  good.kill();
  await gateway.waitFor('pipe.restored');

  // An admin API that is asked what it should not be asked.
  for (const [method, target, body, type] of [
    ['POST', '/backends', JSON.stringify({ url: `ws://user:${secret('password')}@127.0.0.1:1/` })],
    ['POST', '/backends', JSON.stringify({ url: `ws://169.254.169.254/?key=${secret('backend-query')}` })],
    ['POST', '/backends', JSON.stringify({ url: `http://x/?key=${secret('backend-query')}` })],
    [
      'POST',
      '/backends',
      JSON.stringify({ url: 'ws://x', [secret('unknown')]: 1 }).replace(/"SECRET[^"]*"/, '"unknown"'),
    ],
    ['POST', '/backends', `{"url": ${secret('broken-json')}`],
    ['POST', '/backends', secret('text'), 'text/plain'],
    ['PATCH', '/config/heartbeat', JSON.stringify({ client: { intervalMs: secret('value') } })],
    ['DELETE', `/backends?url=${encodeURIComponent(`ws://x/?key=${secret('backend-query')}`)}`, undefined],
    ['GET', `/backends/none?key=${secret('admin-query')}`, undefined],
  ] as const)
    assert.ok((await ask(method, target, writeToken, body, type)) >= 400);
  for (const wrong of [secret('wrong-token'), `${writeToken}x`])
    assert.equal(await ask('GET', '/backends', wrong), 401);
  assert.equal(await ask('DELETE', `/pipes/${pipe}`, readToken), 403);
  for (let count = 0; count < 12; count += 1) await ask('GET', '/backends', secret('wrong-token'));
  const limited = await fetch(`${gateway.httpUrl}/backends`, {
    headers: { authorization: `Bearer ${secret('wrong-token')}` },
  });
  assert.equal(limited.status, 429);
  tell(await limited.text());
  tell(JSON.stringify(gateway.events));
  client.close(4000, secret('close-reason'));
  await client.waitClosed();
  await gateway.close();

  // They did pass through.
  const passed = JSON.stringify([other.received(), good.received()]);
  for (const name of [
    'cookie',
    'authorization',
    'api-key',
    'client-query',
    'backend-query',
    'signature',
    'payload',
    'ticket',
  ])
    assert.ok(passed.includes(secret(name)), `${name} reached a backend`);

  const outputs = { log: log.text, said: said.join('\n') };
  assert.ok(log.lines.length > 200 && said.length > 80, `${log.lines.length} lines, ${said.length} answers`);
  const tokens = [token, again.welcome.token, thief.welcome.token];
  for (const [name, text] of Object.entries(outputs)) {
    assert.deepEqual([...new Set(text.match(/.{0,100}SECRET-[a-z-]+/g) ?? [])], [], name);
    for (const one of tokens) assert.ok(!text.includes(one), `a resume token is in ${name}`);
    assert.doesNotMatch(text, /PRIVATE KEY/, name);
  }
});
