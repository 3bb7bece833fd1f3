import { test } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { certificates } from '../support/certificates.ts';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

test('regression: with a bound below what a socket takes without waiting, all messages reach a client over TLS', async (t) => {
  const { server, ca } = await certificates();
  const backend = await startBackend(t, { push: { intervalMs: 5, count: 20, bytes: 2000 } });
  const gateway = await startGateway(t, {
    fastify: { https: server },
    backends: [backend.url],
    buffer: { maxDownstreamBytes: 1024 },
  });
  const client = await connect(t, gateway.url, { ca: ca.cert });
  await until(() => client.messages.length === 20, { what: () => `20 messages; there are ${client.messages.length}` });
});
