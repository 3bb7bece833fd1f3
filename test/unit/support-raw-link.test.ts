import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startBackend } from '../support/backend-process.ts';
import { connect } from '../support/client.ts';
import { encodeFrame, FrameDecoder } from '../support/frame-codec.ts';
import { startRawBackend } from '../support/raw-backend.ts';
import { connectRaw, openRaw } from '../support/raw-client.ts';

describe('frame codec', () => {
  it('reads what it wrote, in any pieces', () => {
    for (const length of [0, 1, 125, 126, 65_535, 65_536]) {
      for (const mask of [true, false]) {
        const payload = Buffer.alloc(length, 'x');
        const bytes = encodeFrame({ payload, mask, rsv: 4, fin: false });
        const decoder = new FrameDecoder();
        const cut = Math.min(bytes.length, 3);
        const frames = [...decoder.push(bytes.subarray(0, cut)), ...decoder.push(bytes.subarray(cut))];
        assert.equal(frames.length, 1);
        const { fin, rsv, opcode, masked } = frames[0]!;
        assert.deepEqual({ fin, rsv, opcode, masked }, { fin: false, rsv: 4, opcode: 2, masked: mask });
        assert.ok(frames[0]!.payload.equals(payload));
        assert.equal(decoder.pendingBytes, 0);
      }
    }
  });

  it('writes the length the test asks for', () => {
    assert.deepEqual([...encodeFrame({ payload: 'a', lengthEncoding: 16 })], [0x81, 126, 0, 1, 97]);
    assert.deepEqual([...encodeFrame({ payload: 'a', declaredLength: 5 })], [0x81, 5, 97]);
    assert.deepEqual([...encodeFrame({ lengthEncoding: 64 })], [0x82, 127, 0, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('raw client', () => {
  it('talks to a ws server', async (t) => {
    const backend = await startBackend(t);
    const client = await connectRaw(t, { port: backend.port, protocols: ['chat'], autoClose: true });
    assert.equal(client.answer.headers['sec-websocket-protocol'], 'chat');
    await client.sendFrame({ fin: false, payload: 'hel' });
    await client.ping('p');
    await client.sendFrame({ opcode: 'continuation', payload: 'lo' });
    assert.equal((await client.nextMessage()).text, 'hello');
    assert.deepEqual(
      client.frames.all.map(({ opcode }) => opcode),
      [10, 1],
    );
    await client.sendFrame({ payload: 'x', mask: false });
    assert.equal((await client.nextClose()).code, 1002);
    assert.equal((await client.waitClosed()).code, 1002);
  });

  it('sends a broken handshake and reads the refusal', async (t) => {
    const backend = await startBackend(t);
    const headers = { 'sec-websocket-version': '99' };
    const client = await connectRaw(t, { port: backend.port, headers, expectStatus: 400 });
    assert.notEqual(client.answer.body, '');
    const other = connectRaw(t, { port: backend.port, headers: { 'Sec-WebSocket-Key': null } });
    await assert.rejects(other, /Expected status 101, got 'HTTP\/1.1 400/);
  });

  it('is a slow reader when paused', async (t) => {
    const backend = await startBackend(t);
    const client = await connectRaw(t, { port: backend.port });
    client.pause();
    await client.sendText('burst:40:1000000');
    const blocked = await backend.describe();
    assert.ok((blocked[0]?.bufferedBytes ?? 0) > 10_000_000);
    client.resume();
    await client.frames.count(40);
  });

  it('tells a reset from an end', async (t) => {
    const server = await startRawBackend(t);
    const opened = await openRaw(t, { port: server.port });
    const accepted = await server.acceptNext();
    await opened.response();
    accepted.reset();
    const { hadError, errorCode, code } = await opened.waitClosed();
    assert.deepEqual({ hadError, errorCode, code }, { hadError: true, errorCode: 'ECONNRESET', code: 1006 });
    const second = await openRaw(t, { port: server.port });
    const connection = await server.nextConnection();
    second.reset();
    assert.equal((await connection.waitClosed()).errorCode, 'ECONNRESET');
    await assert.rejects(second.response(), /before its head was complete/);
  });

  it('says what it waited for', async (t) => {
    const backend = await startBackend(t);
    const client = await connectRaw(t, { port: backend.port });
    await assert.rejects(client.nextFrame({ timeoutMs: 20 }), /Waited 20 ms for the next of frames of raw client/);
    client.fin();
    await assert.rejects(client.nextMessage(), /closed \(1006\) while waiting for the next message/);
  });
});

describe('raw backend', () => {
  it('accepts a ws client and sends frames with the 101', async (t) => {
    const backend = await startRawBackend(t, {
      autoClose: true,
      onConnection: (connection) => {
        void connection.accept({ protocol: 'x', after: encodeFrame({ payload: 'early' }) });
      },
    });
    const client = await connect(t, `${backend.url}/p?q`, { protocols: ['x', 'y'] });
    assert.equal((await client.next()).text, 'early');
    const [connection] = backend.connections.all;
    assert.equal(connection?.request.path, '/p?q');
    client.send('hi');
    const frame = await connection!.nextFrame();
    assert.equal(frame.text, 'hi');
    assert.equal(frame.masked, true);
    client.close(4000, 'bye');
    assert.deepEqual(await client.waitClosed(), { code: 4000, reason: 'bye' });
  });

  it('breaks the handshake and the framing', async (t) => {
    const backend = await startRawBackend(t);
    const wrongKey = connect(t, backend.url);
    await backend.acceptNext({ acceptKey: 'nonsense' });
    await assert.rejects(wrongKey, /Sec-WebSocket-Accept/);
    const masked = connect(t, backend.url);
    const connection = await backend.acceptNext();
    const client = await masked;
    await connection.sendFrame({ payload: 'x', mask: true });
    assert.equal((await connection.nextClose()).code, 1002);
    client.terminate();
    const cut = connect(t, backend.url);
    const third = await backend.acceptNext();
    const half = await cut;
    await third.sendFrame({ payload: 'half', declaredLength: 100 });
    third.fin();
    assert.equal((await half.waitClosed()).code, 1006);
    assert.deepEqual(half.messages, []);
  });
});
