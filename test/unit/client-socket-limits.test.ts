/** HoldfastSocket: bounds, closing, servers that are no gateway, heartbeats, the page's events. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { HoldfastSocket } from '../../src/client/index.ts';
import { fakeTime, harness, settle } from './client-harness.ts';
import { memoryNetwork } from './client-memory-wire.ts';

const text = (bytes: number): string => 'x'.repeat(bytes);

test('refuse: no more than maxBufferBytes is kept, counted in UTF-8, and drain says that there is room again', (t) => {
  const { net, socket, welcome, count } = harness(t, { maxBufferBytes: 100 });
  assert.equal(socket.send(text(60)), true);
  assert.equal(socket.send('ü'.repeat(21)), false);
  assert.equal(socket.send('ü'.repeat(20)), true);
  assert.equal(socket.bufferedAmount, 100);
  assert.equal(socket.send('a'), false);
  welcome();
  assert.equal(count('drain'), 0);
  assert.equal(socket.send('a'), false, 'sent is not acknowledged');
  net.last.control({ type: 'ack', received: 1 });
  assert.equal(count('drain'), 1);
  assert.equal(socket.send('a'), true);
  net.last.control({ type: 'ack', received: 3 });
  assert.equal(count('drain'), 1);
  assert.equal(socket.send(text(101)), false, 'more than there will ever be room for');
});

test('drop-oldest: the newest messages are kept, and the others counted', (t) => {
  const { net, socket, welcome } = harness(t, { maxBufferBytes: 100, overflow: 'drop-oldest' });
  for (let count = 0; count < 5; count += 1) assert.equal(socket.send(`${count}${text(39)}`), true);
  assert.equal(socket.droppedMessages, 3);
  assert.equal(socket.send(text(101)), false);
  assert.equal(socket.droppedMessages, 3);
  welcome();
  assert.deepEqual(
    net.last.messages.map((message) => String(message)[0]),
    ['3', '4'],
  );
});

test('close: the socket closes with 4413', async (t) => {
  const { net, socket, welcome, details } = harness(t, { maxBufferBytes: 100, overflow: 'close' });
  welcome();
  socket.send(text(60));
  assert.equal(socket.send(text(60)), false);
  assert.deepEqual(net.last.closedWith, { code: 4413, reason: 'buffer full' });
  assert.equal(socket.readyState, socket.CLOSING);
  net.last.end(4413, 'buffer full');
  assert.deepEqual(details('close'), [{ code: 4413, reason: 'buffer full', wasClean: true }]);
});

test('the bound of the gateway holds where no own is given', (t) => {
  const { socket, welcome } = harness(t);
  welcome();
  assert.equal(socket.send(text(1_001)), false);
});

test('close() ends the session with the given code', (t) => {
  const { net, socket, welcome, pass, details } = harness(t);
  welcome();
  socket.close(4000, 'bye');
  assert.equal(socket.readyState, HoldfastSocket.CLOSING);
  assert.equal(socket.send('a'), false);
  socket.close();
  assert.deepEqual(net.last.closedWith, { code: 4000, reason: 'bye' });
  net.last.end(4000, 'bye');
  assert.equal(socket.readyState, HoldfastSocket.CLOSED);
  assert.deepEqual(details('close'), [{ code: 4000, reason: 'bye', wasClean: true }]);
  pass(60_000);
  assert.equal(net.sockets.length, 1);
});

test('close() of what is lost meanwhile, or not there yet, ends it too', async (t) => {
  const { net, socket, welcome, pass, details } = harness(t);
  welcome();
  net.last.cut();
  socket.close();
  assert.equal(details('close').length, 0, 'never inside the call');
  await settle();
  assert.deepEqual(details('close'), [{ code: 1006, reason: '', wasClean: false }]);
  pass(60_000);
  assert.equal(net.sockets.length, 1);
});

test('close() while it connects closes the attempt', async (t) => {
  const { net, socket, details } = harness(t);
  socket.close();
  await settle();
  assert.ok(net.last.closedWith);
  assert.equal(details('close').length, 1);
  assert.equal(socket.state.state, 'closed');
});

test('close() refuses the codes that a page may not send', (t) => {
  const { socket } = harness(t);
  for (const code of [999, 1001, 1006, 2999, 5000]) {
    assert.throws(() => socket.close(code), { name: 'InvalidAccessError' });
  }
});

test('an AbortSignal closes it with 1000, and no reconnect() opens it again', async (t) => {
  const controller = new AbortController();
  const { net, socket, welcome } = harness(t, { signal: controller.signal });
  welcome();
  controller.abort();
  assert.deepEqual(net.last.closedWith, { code: 1000, reason: undefined });
  net.last.end(1000);
  socket.reconnect();
  assert.equal(socket.state.state, 'closed');
});

test('a signal aborted before: never an attempt', async (t) => {
  const { net, details } = harness(t, { signal: AbortSignal.abort() });
  await settle();
  assert.equal(net.sockets.length, 0);
  assert.equal(details('close').length, 1);
});

test('no WebSocket: says what to do; a wrong url throws as from WebSocket', (t) => {
  fakeTime(t);
  const had = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket');
  Reflect.deleteProperty(globalThis, 'WebSocket');
  try {
    assert.throws(() => new HoldfastSocket('ws://gateway'), /option `WebSocket`/);
  } finally {
    if (had) Object.defineProperty(globalThis, 'WebSocket', had);
  }
  const net = memoryNetwork(() => {
    throw new SyntaxError('no url');
  });
  assert.throws(() => new HoldfastSocket('nonsense', [], { WebSocket: net.WebSocket }), SyntaxError);
});

test('a server that chooses another subprotocol is used as it is', (t) => {
  const { net, socket, pass, count, details } = harness(t, { protocols: ['chat'] });
  socket.send('a');
  net.last.open('chat');
  assert.deepEqual([socket.state.state, socket.protocol, count('open')], ['open', 'chat', 1]);
  assert.deepEqual(net.last.sent, ['a']);
  assert.equal(socket.bufferedAmount, 0);
  net.last.receive('\u001e\u001eraw');
  socket.send('\u001eraw');
  pass(120_000);
  assert.deepEqual(net.last.sent, ['a', '\u001eraw']);
  assert.deepEqual(details('message'), ['\u001e\u001eraw']);
  net.last.end(1006);
  socket.send('b');
  pass(1_000);
  net.last.open('chat');
  assert.deepEqual(net.last.sent, ['b']);
  assert.deepEqual([count('open'), count('reset')], [2, 1]);
});

test('holdfast.v1 chosen but no hello within the deadline: no gateway', (t) => {
  const { net, socket, pass } = harness(t);
  socket.send('a');
  net.last.open('holdfast.v1');
  pass(4_990);
  assert.deepEqual(net.last.sent, []);
  pass(10);
  assert.deepEqual(net.last.sent, ['a']);
  assert.equal(socket.protocol, '');
});

test('holdfast.v1 chosen and another message first: no gateway', (t) => {
  const { net, socket, details } = harness(t);
  net.last.open('holdfast.v1');
  net.last.receive('welcome to the chat');
  assert.equal(socket.state.state, 'open');
  assert.deepEqual(details('message'), ['welcome to the chat']);
});

test('a hello after the deadline: it was a slow gateway, so begin again', (t) => {
  const { net, socket, welcome, pass } = harness(t);
  net.last.open('holdfast.v1');
  pass(5_000);
  net.last.control({ type: 'hello' });
  assert.equal(socket.state.state, 'reconnecting');
  pass(2_000);
  welcome();
  assert.equal(socket.state.state, 'open');
  assert.equal(socket.pipe, 'pipe-1');
});

test('4400 to what was taken for a plain server: it was a slow gateway, so try again', (t) => {
  const { net, socket, pass } = harness(t);
  net.last.open('holdfast.v1');
  pass(5_000);
  socket.send('too early');
  net.last.end(4400);
  assert.equal(socket.state.state, 'reconnecting');
});

test('a gateway that was one before is not taken for none: it is slow, and the session is kept', (t) => {
  const { net, socket, welcome, pass } = harness(t);
  welcome();
  socket.send('a');
  net.last.cut();
  pass(1_000);
  net.last.open('holdfast.v1');
  pass(5_000);
  assert.equal(socket.state.state, 'reconnecting');
  assert.equal(socket.state.reason, 'timeout');
  assert.deepEqual(net.last.sent, []);
});

test('resume: false offers nothing', (t) => {
  const { net, socket } = harness(t, { resume: false });
  assert.deepEqual(net.last.offered, []);
  net.last.open('');
  assert.equal(socket.state.state, 'open');
});

test('own JSON heartbeat to a plain server: its pongs are swallowed while one is asked for', (t) => {
  const { net, socket, pass, details } = harness(t, { resume: false, heartbeat: { intervalMs: 1_000 } });
  net.last.open('');
  pass(1_000);
  assert.deepEqual(net.last.sent, ['{"type":"ping"}']);
  pass(40);
  net.last.receive(' {"type": "pong"}\n');
  assert.deepEqual(details('heartbeat'), [{ rttMs: 40 }]);
  net.last.receive('{"type":"pong"}');
  assert.deepEqual(details('message'), ['{"type":"pong"}']);
  pass(2_990);
  assert.equal(socket.state.state, 'open');
  pass(20);
  assert.equal(socket.state.state, 'reconnecting');
  assert.equal(socket.state.reason, 'silent');
});

test('pings at the interval of welcome, rtt from pongs, pings of the gateway answered, config changes it', (t) => {
  const { net, socket, welcome, pass, details } = harness(t);
  welcome({ heartbeat: { intervalMs: 2_000, timeoutMs: 5_000 } });
  pass(2_000);
  assert.deepEqual(net.last.controls.at(-1), { type: 'ping', id: 1 });
  pass(30);
  net.last.control({ type: 'pong', id: 7 });
  net.last.control({ type: 'pong', id: 1 });
  assert.deepEqual(details('heartbeat'), [{ rttMs: 30 }]);
  net.last.control({ type: 'ping', id: 'theirs' });
  assert.deepEqual(net.last.controls.at(-1), { type: 'pong', id: 'theirs' });
  net.last.control({ type: 'config', heartbeat: { intervalMs: 500, timeoutMs: 900 } });
  pass(500);
  assert.deepEqual(net.last.controls.at(-1), { type: 'ping', id: 2 });
  pass(390);
  assert.equal(socket.state.state, 'open');
  pass(20);
  assert.equal(socket.state.state, 'reconnecting');
  assert.equal(socket.state.reason, 'silent');
});

test('bytes that leave are a sign of life: a ping lies behind them', (t) => {
  const { net, socket, welcome, pass } = harness(t);
  welcome({ heartbeat: { intervalMs: 1_000, timeoutMs: 3_000 } });
  net.last.bufferedAmount = 1_000_000;
  for (let left = 1_000_000; left > 0; left -= 100_000) {
    pass(1_000);
    net.last.bufferedAmount = left;
  }
  assert.equal(socket.state.state, 'open');
  pass(5_000);
  assert.equal(socket.state.state, 'reconnecting');
});

/** A page's global object, for as long as the test runs. */
function fakePage(t: TestContext): {
  fire(type: string): void;
  online: boolean;
  visibility: string;
  listeners(): number;
} {
  const target = new EventTarget();
  let listeners = 0;
  const page = {
    online: true,
    visibility: 'visible',
    fire: (type: string) => void target.dispatchEvent(new Event(type)),
    listeners: () => listeners,
  };
  const globals = {
    addEventListener: (type: string, listener: () => void, options: { signal: AbortSignal }) => {
      listeners += 1;
      options.signal.addEventListener('abort', () => {
        listeners -= 1;
      });
      target.addEventListener(type, listener, options);
    },
    document: {
      get visibilityState() {
        return page.visibility;
      },
    },
    navigator: {
      get onLine() {
        return page.online;
      },
    },
  };
  const before = Object.keys(globals).map((key) => [key, Object.getOwnPropertyDescriptor(globalThis, key)] as const);
  for (const [key, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, key, { value, configurable: true, writable: true });
  }
  t.after(() => {
    for (const [key, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, key, descriptor);
      else Reflect.deleteProperty(globalThis, key);
    }
  });
  return page;
}

for (const type of ['online', 'pageshow', 'visibilitychange', 'resume']) {
  test(`${type}: the next attempt is made at once, however often, and burns none`, (t) => {
    const page = fakePage(t);
    const { net, socket, pass } = harness(t, { maxAttempts: 4, maxBackoffMs: 600_000, minBackoffMs: 60_000 });
    net.last.end(1006);
    const before = net.sockets.length;
    for (let count = 0; count < 6; count += 1) {
      pass(60_000);
      if (net.last.readyState !== 3) net.last.end(1006);
      page.fire(type);
    }
    assert.ok(net.sockets.length >= before + 4);
    assert.notEqual(socket.state.state, 'failed');
  });
}

test('a hidden page and a too early event do not make it try', (t) => {
  const page = fakePage(t);
  const { net, pass } = harness(t);
  net.last.end(1006);
  page.fire('online');
  assert.equal(net.sockets.length, 1, 'half a second between attempts');
  pass(600);
  page.visibility = 'hidden';
  page.fire('visibilitychange');
  assert.equal(net.sockets.length, 1);
  page.visibility = 'visible';
  page.fire('visibilitychange');
  assert.equal(net.sockets.length, 2);
});

test('offline: attempts go on and are not counted', (t) => {
  const page = fakePage(t);
  const { net, socket, welcome, pass } = harness(t, { maxAttempts: 2 });
  welcome();
  page.online = false;
  for (let count = 0; count < 20; count += 1) {
    net.last.cut();
    assert.deepEqual([socket.state.state, socket.state.attempt, socket.state.reason], ['reconnecting', 0, 'offline']);
    pass(500);
  }
  page.online = true;
  net.last.cut();
  assert.equal(socket.state.reason, 'lost');
  assert.notEqual(socket.state.attempt, 0);
});

test('the page is back and the connection looks open: a ping at once, dead without an answer within the grace', (t) => {
  const page = fakePage(t);
  const { net, socket, welcome, pass } = harness(t);
  welcome();
  page.fire('visibilitychange');
  assert.deepEqual(net.last.controls.at(-1), { type: 'ping', id: 1 });
  pass(3_000);
  net.last.control({ type: 'pong', id: 1 });
  pass(10_000);
  assert.equal(socket.state.state, 'open');
  page.fire('online');
  pass(4_990);
  assert.equal(socket.state.state, 'open');
  pass(20);
  assert.equal(socket.state.state, 'reconnecting');
});

test('sleep: noticed at the first wake, a ping first, and alive if it is answered', (t) => {
  const { net, socket, welcome, sleep, pass } = harness(t);
  welcome();
  sleep(8 * 3_600_000);
  assert.deepEqual(net.last.controls.at(-1), { type: 'ping', id: 1 });
  assert.equal(socket.state.state, 'open');
  net.last.control({ type: 'pong', id: 1 });
  pass(60_000);
  net.last.receive('x');
  assert.equal(socket.state.state, 'open');
});

test('nothing is left behind after the end: no timer, no listener', async (t) => {
  const page = fakePage(t);
  const { net, socket, welcome } = harness(t);
  welcome();
  assert.ok(page.listeners() > 0);
  net.last.receive('x');
  socket.close();
  net.last.end(1000);
  assert.equal(page.listeners(), 0);
  const sent = net.last.sent.length;
  t.mock.timers.tick(10_000_000);
  assert.equal(net.last.sent.length, sent);
  assert.equal(net.sockets.length, 1);
});
