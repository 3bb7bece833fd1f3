/** A gateway that sends what no gateway should: the socket neither stops, nor throws, nor begins to spin. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { harness } from './client-harness.ts';

for (const reconnectAfterMs of [0, -1, -1e15, 'x', null, undefined])
  test(`goaway with a delay of ${reconnectAfterMs}: no sooner than after 200 ms`, (t) => {
    const { net, welcome, pass } = harness(t);
    welcome();
    net.last.control({ type: 'goaway', reconnectAfterMs });
    pass(190);
    assert.equal(net.sockets.length, 1);
    pass(10);
    assert.equal(net.sockets.length, 2);
  });

for (const reconnectAfterMs of [2 ** 31 + 1e6, 1e12 + 1e6, 1e17])
  test(`goaway with a delay of ${reconnectAfterMs}: a timer that takes it, and not at once`, (t) => {
    const { net, socket, welcome, pass } = harness(t);
    welcome();
    net.last.control({ type: 'goaway', reconnectAfterMs });
    net.last.end(1012);
    const { nextTryAt } = socket.state;
    assert.ok(nextTryAt !== null && nextTryAt - Date.now() >= 200 && nextTryAt - Date.now() < 2 ** 31, `${nextTryAt}`);
    pass(190);
    assert.equal(net.sockets.length, 1);
  });

for (const received of [undefined, 'x', {}])
  test(`an ack of ${String(received)}: what follows goes on, also after a resume`, (t) => {
    const { net, socket, welcome, pass } = harness(t);
    welcome();
    socket.send('a');
    net.last.control({ type: 'ack', received });
    socket.send('b');
    assert.deepEqual(net.last.messages, ['a', 'b']);
    net.last.cut();
    pass(1_000);
    welcome({ resumed: true, received });
    assert.deepEqual(net.last.messages, ['a', 'b']);
    net.last.control({ type: 'ack', received: 2 });
    assert.equal(socket.bufferedAmount, 0);
  });

test('an ack beyond 32 bits is one', (t) => {
  const { net, socket, welcome } = harness(t);
  welcome();
  socket.send('a');
  net.last.control({ type: 'ack', received: 2 ** 32 });
  assert.equal(socket.bufferedAmount, 0);
});

for (const heartbeat of [undefined, null])
  test(`config with a heartbeat of ${heartbeat} is ignored`, (t) => {
    const { net, welcome, pass } = harness(t);
    welcome();
    net.last.control({ type: 'config', heartbeat });
    pass(25_000);
    assert.deepEqual(net.last.controls.at(-1), { type: 'ping', id: 1 });
  });

for (const intervalMs of [-1, 'x', {}])
  test(`a heartbeat interval of ${String(intervalMs)} is none`, (t) => {
    const { net, socket, welcome, pass } = harness(t);
    welcome({ heartbeat: { intervalMs, timeoutMs: 1_000 } });
    pass(5_000);
    assert.equal(net.last.controls.length, 1, 'the start');
    assert.equal(socket.state.state, 'open');
  });

test('a ping whose id is nested so deep that it cannot be written is not answered', (t) => {
  const { net, socket, welcome } = harness(t);
  welcome();
  const depth = 20_000;
  net.last.receive(`\u001e{"type":"ping","id":${'['.repeat(depth)}${']'.repeat(depth)}}`);
  socket.send('a');
  assert.deepEqual([net.last.controls.length, net.last.messages], [1, ['a']]);
});
