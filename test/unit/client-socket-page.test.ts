/** HoldfastSocket and the events of its page: offline, online, hidden, frozen, back again. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { harness } from './client-harness.ts';

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

test('an event soon after an attempt: the next one is made half a second after that one, not when it was planned', (t) => {
  const page = fakePage(t);
  const { net, socket, pass } = harness(t, { maxBackoffMs: 60_000 });
  for (let count = 0; count < 4; count += 1) {
    net.last.end(1006);
    if (count < 3) pass(60_000);
  }
  const before = net.sockets.length;
  const { attempt } = socket.state;
  for (const type of ['online', 'pageshow', 'visibilitychange']) page.fire(type);
  pass(490);
  assert.deepEqual([net.sockets.length, socket.state.nextTryAt], [before, Date.now() + 10]);
  pass(10);
  assert.equal(net.sockets.length, before + 1);
  net.last.end(1006);
  assert.equal(socket.state.attempt, attempt, 'it burnt none');
});

test('two events while the clock moves on: one attempt is brought forward, and one is refunded', (t) => {
  const page = fakePage(t);
  const { net, socket, pass } = harness(t, { maxBackoffMs: 60_000 });
  for (let count = 0; count < 4; count += 1) {
    net.last.end(1006);
    if (count < 3) pass(60_000);
  }
  const { attempt } = socket.state;
  const clock = Date.now;
  let readings = 0;
  t.mock.method(Date, 'now', () => clock() + readings++);
  for (const type of ['online', 'pageshow']) page.fire(type);
  pass(500);
  net.last.end(1006);
  assert.equal(socket.state.attempt, attempt);
});

test('a hidden page does not make it try', (t) => {
  const page = fakePage(t);
  const { net, pass } = harness(t);
  net.last.end(1006);
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

test('offline: a connection that does not answer within the grace is lost, long before its timeout', (t) => {
  const page = fakePage(t);
  const { net, socket, welcome, pass } = harness(t);
  welcome();
  page.online = false;
  page.fire('offline');
  assert.deepEqual(net.last.controls.at(-1), { type: 'ping', id: 1 });
  pass(4_990);
  assert.equal(socket.state.state, 'open');
  pass(20);
  assert.deepEqual([socket.state.state, socket.state.attempt, socket.state.reason], ['reconnecting', 0, 'offline']);
});

test('offline, a false alarm: a connection that answers is kept', (t) => {
  const page = fakePage(t);
  const { net, socket, welcome, pass } = harness(t);
  welcome();
  page.online = false;
  for (let id = 1; id <= 3; id += 1) {
    page.fire('offline');
    assert.deepEqual(net.last.controls.at(-1), { type: 'ping', id });
    pass(4_900);
    net.last.control({ type: 'pong', id });
    pass(10_000);
  }
  assert.equal(socket.state.state, 'open');
  assert.equal(net.sockets.length, 1);
});

test('offline and online again: there is the whole grace for an answer, from when the network is back', (t) => {
  const page = fakePage(t);
  const { net, socket, welcome, pass } = harness(t);
  welcome();
  page.fire('offline');
  pass(4_900);
  page.fire('online');
  assert.deepEqual(net.last.controls.at(-1), { type: 'ping', id: 2 });
  pass(4_900);
  net.last.control({ type: 'pong', id: 2 });
  pass(10_000);
  assert.equal(socket.state.state, 'open');
  assert.equal(net.sockets.length, 1);
});

test('offline without a session: nothing to come back to, so the timeout alone judges', (t) => {
  const page = fakePage(t);
  const { net, socket, pass } = harness(t, { resume: false, heartbeat: { intervalMs: 10_000 } });
  net.last.open('');
  page.fire('offline');
  pass(9_990);
  assert.deepEqual(net.last.sent, []);
  pass(20_000);
  assert.equal(socket.state.state, 'open');
  pass(20);
  assert.equal(socket.state.state, 'reconnecting');
});

test('heartbeat of 0 at a server that is no gateway: a page that is back sends no ping', (t) => {
  const page = fakePage(t);
  const { net, socket, pass } = harness(t, { resume: false, heartbeat: { intervalMs: 0 } });
  net.last.open('');
  page.fire('pageshow');
  pass(10_000);
  assert.deepEqual(net.last.sent, []);
  assert.equal(socket.state.state, 'open');
});

test('offline with no connection: the planned attempt is awaited', (t) => {
  const page = fakePage(t);
  const { net, socket, pass } = harness(t, { minBackoffMs: 10_000, maxBackoffMs: 60_000 });
  net.last.end(1006);
  pass(20_000);
  net.last.end(1006);
  pass(15_000);
  const { nextTryAt } = socket.state;
  page.fire('offline');
  assert.deepEqual([net.sockets.length, socket.state.nextTryAt], [2, nextTryAt]);
  page.fire('online');
  assert.equal(net.sockets.length, 3);
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
