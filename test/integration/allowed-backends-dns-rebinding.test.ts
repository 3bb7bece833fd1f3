/** A backend whose name leads to another machine later: the gateway connects to checked addresses only. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { startResolver } from '../support/resolver.ts';
import { until } from '../support/wait.ts';

const closing = { handshakeMs: 200, lingerMs: 200 };
/** Where nothing may be connected to; stands for a metadata service or an admin port. */
const forbidden = '127.0.0.2';
const failover = { handshakeWaitMs: 100, backoffBaseMs: 10, backoffMaxMs: 20 };

async function startForbidden(t: TestContext, port: number): Promise<{ connections: number }> {
  const seen = { connections: 0 };
  const server = createServer((socket) => {
    seen.connections += 1;
    socket.destroy();
  });
  server.listen(port, forbidden);
  t.after(() => server.close());
  await once(server, 'listening');
  return seen;
}

for (const scheme of ['ws', 'wss'] as const) {
  test(`${scheme}: a name that leads to a forbidden address later is not connected to, and works again when it leads back`, async (t) => {
    const { server, ca } = await certificates();
    const resolver = startResolver(t);
    const backend = await startBackend(t, { tag: 'a', ...(scheme === 'wss' ? { tls: server } : {}) });
    const secret = await startForbidden(t, backend.port);
    resolver.set('moving.test', '127.0.0.1');
    const gateway = await startGateway(t, {
      backends: [{ url: `${scheme}://moving.test:${backend.port}`, id: 'moving' }],
      allowedBackends: { exceptAddresses: [forbidden] },
      backendTls: { ca: ca.cert, servername: 'localhost' },
      failover,
      pool: { ejectAfter: 0 },
      closing,
    });
    const client = await connect(t, gateway.url);
    assert.equal((await client.ask('one')).text, 'a:one');

    resolver.set('moving.test', forbidden);
    const [opened] = gateway.eventsOf('pipe.opened');
    gateway.manager.interruptPipe(opened!.pipeId);
    const blocked = await gateway.waitFor('backend.blocked');
    assert.equal(blocked.backendId, 'moving');
    assert.match(blocked.detail, /^127\.0\.0\.2 is in allowedBackends\.exceptAddresses$/);
    assert.equal((await gateway.waitFor('backend.attempt-failed')).failure, 'blocked');
    assert.match(gateway.manager.backend('moving').lastError?.detail ?? '', /127\.0\.0\.2/);
    const { body } = await fetchText(gateway.httpUrl);
    assert.match(body, /holdfast_dials_total\{backend="moving",result="blocked"\} [1-9]/);

    resolver.set('moving.test', forbidden, '127.0.0.1');
    client.send('two');
    // The allowed one of two is taken; what came before may be answered twice.
    await client.waitFor('a:two');
    assert.ok(resolver.asked('moving.test') >= 3);
    assert.equal(secret.connections, 0);
  });
}

test('a name that leads to a link-local or a mapped address is blocked too, and one that leads nowhere is refused', async (t) => {
  const resolver = startResolver(t);
  const gateway = await startGateway(t, {
    backends: [{ url: 'ws://rebound.test:9', id: 'rebound' }],
    failover,
    pool: { ejectAfter: 0 },
    closing,
  });
  for (const address of ['169.254.169.254', '::ffff:169.254.169.254', 'fe80::1%lo', 'fd00:ec2::254', '0.0.0.0', '::']) {
    resolver.set('rebound.test', address);
    const before = gateway.eventsOf('backend.blocked').length;
    const client = await connect(t, gateway.url);
    await until(
      () =>
        gateway
          .eventsOf('backend.blocked')
          .slice(before)
          .some(({ detail }) => detail.startsWith(address.replace('%lo', ''))),
      {
        what: `that ${address} is blocked`,
      },
    );
    client.terminate();
    await client.waitClosed();
  }
  resolver.set('rebound.test');
  await connect(t, gateway.url);
  await gateway.waitFor(
    'backend.attempt-failed',
    ({ failure, detail }) => failure === 'refused' && detail.includes('there is no such name'),
  );
});

async function fetchText(httpUrl: string): Promise<{ body: string }> {
  const answer = await fetch(`${httpUrl}/metrics`, { headers: { authorization: 'Bearer test-token-0123456789' } });
  return { body: await answer.text() };
}
