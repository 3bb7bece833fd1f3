/** limits.dropConnections where requests come on another object than the connection: with TLS, and with HTTP/2 above it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { HoldfastOptions } from '../../src/options.ts';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { startGateway } from '../support/gateway.ts';
import { handshakeRequest } from '../support/raw-client.ts';

const key = 'dGhlIHNhbXBsZSBub25jZQ==';

/** A client has been there, so that the connections are known to be those of clients. */
async function start(t: TestContext, limits: HoldfastOptions['limits'], http2 = false) {
  const backend = await startBackend(t);
  const { ca, server } = await certificates();
  const gateway = await startGateway(t, {
    backends: [backend.url],
    limits: { exemptAddresses: ['127.0.0.1'], ...limits },
    closing: { handshakeMs: 100 },
    fastify: { https: { ...server, allowHTTP1: true }, ...(http2 && { http2 }) } as object,
  });
  const { port } = gateway;
  const dial = (localAddress: string): TLSSocket => {
    const socket = connectTls({ socket: dialTcp(localAddress), ca: ca.cert, servername: 'localhost' });
    return socket.on('error', () => {});
  };
  const dialTcp = (localAddress: string): Socket => {
    const socket = createConnection({ port, host: '127.0.0.1', localAddress }).on('error', () => {});
    t.after(() => socket.destroy());
    return socket;
  };
  /** What an upgrade ends with; '' = there was not even a handshake. */
  const knock = async (localAddress: string): Promise<string> => {
    const socket = dial(localAddress);
    socket.once('secureConnect', () => socket.write(handshakeRequest({ port, path: '/ws' }, key)));
    return await new Promise((resolve) => {
      socket.once('data', (data) => {
        socket.destroy();
        resolve(String(data).slice(9, 12));
      });
      socket.once('close', () => resolve(''));
    });
  };
  /** Resolves when the gateway has seen that connection end. */
  const seenEnding = async (visit: () => Promise<void>): Promise<void> => {
    const accepted = once(gateway.app.server, 'connection') as Promise<[Socket]>;
    const visited = visit();
    const [connection] = await accepted;
    if (!connection.destroyed) await once(connection, 'close');
    await visited;
  };
  const dropped = (): number => gateway.manager.tally.total('connections');
  assert.equal(await knock('127.0.0.1'), '101');
  return { dial, dialTcp, knock, seenEnding, dropped };
}

test('with TLS a connection is dropped without a handshake, a while later', async (t) => {
  const { knock, dropped } = await start(t, { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 1 });
  const answers: string[] = [];
  let begun = 0;
  while (answers.length < 100 && !answers.includes('')) {
    begun = performance.now();
    answers.push(await knock('127.0.0.2'));
  }
  assert.equal(answers[0], '101');
  assert.ok(performance.now() - begun > 900, 'it would be back at once');
  assert.equal(dropped(), 1);
  assert.equal(await knock('127.0.0.3'), '101');
});

for (const http2 of [false, true])
  for (const whole of [false, true])
    test(`with TLS${http2 ? ' and HTTP/2' : ''} connections that end after ${whole ? 'a' : 'half a'} handshake count as handshakes of their address`, async (t) => {
      const limits = { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 5 };
      const { dial, dialTcp, knock, seenEnding, dropped } = await start(t, limits, http2);
      const visit = async (): Promise<void> => {
        if (whole) {
          const socket = dial('127.0.0.2');
          await new Promise((resolve) => socket.once('secureConnect', resolve).once('close', resolve));
          socket.destroy();
        } else {
          const socket = dialTcp('127.0.0.2');
          await once(socket, 'connect');
          // The head of a record of 512 bytes, and the beginning of a ClientHello.
          socket.end(Buffer.from('1603010200010001fc0303', 'hex'));
          await once(socket.resume(), 'close');
        }
      };
      for (let n = 0; n < 5; n += 1) await seenEnding(visit);
      assert.equal(await knock('127.0.0.2'), '429');
      assert.equal(await knock('127.0.0.3'), '101');
      for (let n = 0; n < 10 && dropped() === 0; n += 1) await seenEnding(visit);
      assert.equal(dropped(), 1);
    });

test('with TLS connections on which there was a request, or an upgrade, count no more when they end', async (t) => {
  const limits = { handshakesPerSecondPerAddress: 1, handshakeBurstPerAddress: 6 };
  const { dial, knock, seenEnding } = await start(t, limits);
  for (let n = 0; n < 12; n += 1) {
    await seenEnding(async () => {
      const socket = dial('127.0.0.2');
      socket.once('secureConnect', () => socket.write('GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n'));
      await once(socket, 'data');
      socket.destroy();
    });
  }
  const answers: string[] = [];
  for (let n = 0; n < 6; n += 1) answers.push(await knock('127.0.0.2'));
  assert.deepEqual(answers, Array(6).fill('101'));
});
