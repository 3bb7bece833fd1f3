// A process that lives on after what nothing caught: one SocketLink reads a large message, and an exception is thrown once, in the read ('read')
// or in what the read leaves for the next tick ('tick'). Says as JSON how the link ended and which bytes it handed on.
import { connect, createServer } from 'node:net';
import { TimerWheel } from '../../src/heartbeat/wheel.ts';
import { SocketLink } from '../../src/link/socket-link.ts';
import { letGoBlock, takeBlock } from '../../src/wire/byte-blocks.ts';

const where = process.argv[2];
const size = 600_000;
let caught = 0;
process.on('uncaughtException', () => {
  caught += 1;
});
// Memory that somebody else used and let go.
const others = [65_536, 131_072, 262_144].map((bytes) => takeBlock(bytes, 0));
for (const block of others) {
  block.bytes.fill('S');
  letGoBlock(block);
}
const handedOn = [];
let thrown = false;
const throwOnce = () => {
  throw new Error('once');
};
const owner = {
  linkMessages: (_link, frames) => handedOn.push(Buffer.from(frames)) > 0,
  linkPending: (link) => {
    if (thrown || link.bytesIn < 200_000) return;
    thrown = true;
    if (where === 'read') throwOnce();
    process.nextTick(throwOnce);
  },
  linkPing: () => true,
  linkPong() {},
  linkJsonHeartbeat: () => false,
  linkRecord() {},
  linkLimited() {},
  linkViolated() {},
  linkClosed() {},
  linkDrained() {},
  linkEnded: ({ bytesIn }, { clean }) => {
    const foreign = Buffer.concat(handedOn).includes('S');
    console.log(JSON.stringify({ caught, clean, whole: bytesIn > size, handedOn: handedOn.length, foreign }));
    process.exit(0);
  },
};
const limits = {
  framesPerTurn: 100,
  messagesPerSecond: 0,
  messageTimeoutMs: 0,
  maxFragments: 10,
  controlFramesPerSecond: 0,
};
const server = createServer((socket) => {
  const options = { side: 'client', protocol: '', bounds: { maxMessageBytes: 2 * size }, closeTimeoutMs: 1000, limits };
  new SocketLink(socket, owner, { ...options, clock: new TimerWheel() });
});
server.listen(0, '127.0.0.1', () => {
  const client = connect(server.address().port, '127.0.0.1');
  client.on('error', () => {});
  const head = Buffer.alloc(14);
  head[0] = 0x82;
  head[1] = 0xff;
  head.writeUInt32BE(size, 6);
  client.end(Buffer.concat([head, Buffer.alloc(size, 'm')]));
});
