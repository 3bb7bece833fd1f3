import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../support/client.ts';
import { startGateway } from '../support/gateway.ts';
import { type RawBackendConnection, startRawBackend } from '../support/raw-backend.ts';

const endings: Readonly<Record<string, (connection: RawBackendConnection) => unknown>> = {
  'is accepted too late': (connection) => connection.accept(),
  'fails then': (connection) => connection.respond(503, { 'content-length': '0' }),
};

for (const [how, answer] of Object.entries(endings)) {
  test(`a backend that was registered anew while the one before it of this id was dialled gets the pipe at once, where that dial ${how}`, async (t) => {
    const gateway = await startGateway(t, { backoff: () => 60_000, closing: { handshakeMs: 200 } });
    const before = await startRawBackend(t);
    const after = await startRawBackend(t, { onConnection: (connection) => void connection.accept() });
    gateway.manager.registerBackend({ id: 'x', url: before.url });
    const connected = connect(t, gateway.url);
    const dial = await before.nextConnection();
    await gateway.admin('DELETE', '/backends/x?mode=force');
    await gateway.admin('POST', '/backends', { id: 'x', url: after.url });
    await answer(dial);
    const { backendUrl } = await gateway.waitFor('backend.attached');
    assert.equal(backendUrl, `${after.url}/`);
    await connected;
  });
}
