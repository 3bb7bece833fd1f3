/** The two ends of one TCP connection on 127.0.0.1. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface SocketPair {
  /** The end that was accepted; half-open where the far one ends, as those of node:http are. */
  readonly near: Socket;
  readonly far: Socket;
}

export async function socketPair(t: TestContext): Promise<SocketPair> {
  const server = createServer({ allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [near] = (await once(server, 'connection')) as [Socket];
  t.after(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return { near, far };
}
