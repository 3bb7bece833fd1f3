/** HoldfastSocket: when it tries again, and when not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { harness, settle, startAt } from './client-harness.ts';

test('says when it tries again, which attempt it is and why; after the last it has failed', (t) => {
  const { net, socket, states, pass, events } = harness(t, { maxAttempts: 3 });
  net.last.end(1006);
  assert.deepEqual(socket.state, {
    state: 'connecting',
    attempt: 2,
    maxAttempts: 3,
    nextTryAt: startAt + 1_000,
    reason: 'lost',
    code: 1006,
    own: false,
  });
  pass(1_000);
  assert.deepEqual([socket.state.attempt, socket.state.nextTryAt, net.sockets.length], [2, null, 2]);
  net.last.end(1006);
  pass(2_000);
  net.last.end(1006);
  assert.equal(net.sockets.length, 3);
  assert.deepEqual(
    states.map(({ state, attempt }) => `${state} ${attempt}`),
    ['connecting 1', 'connecting 2', 'connecting 2', 'connecting 3', 'connecting 3', 'failed 3'],
  );
  assert.equal(socket.readyState, socket.CLOSED);
  assert.deepEqual(
    events.slice(-3).map(([type]) => type),
    ['state', 'error', 'close'],
  );
  assert.equal(socket.send('a'), false);
  pass(600_000);
  assert.equal(net.sockets.length, 3);
});

test('reconnect() leaves failed, with what was kept and the session', (t) => {
  const { net, socket, welcome, pass, details } = harness(t, { maxAttempts: 1 });
  welcome();
  socket.send('kept');
  net.last.cut();
  pass(500);
  net.last.end(1006);
  assert.equal(socket.state.state, 'failed');
  socket.reconnect();
  assert.deepEqual([socket.state.state, socket.state.attempt, socket.state.reason], ['reconnecting', 1, 'asked']);
  assert.equal(socket.readyState, socket.OPEN);
  welcome({ resumed: true });
  assert.deepEqual(net.last.messages, ['kept']);
  assert.equal(details('resumed').length, 1);
});

test('reconnect() does not wait for the planned attempt, and does nothing where there is a connection', (t) => {
  const { net, socket, welcome, pass } = harness(t);
  welcome();
  socket.reconnect();
  assert.equal(net.sockets.length, 1);
  net.last.cut();
  socket.reconnect();
  assert.equal(net.sockets.length, 2);
  welcome({ resumed: true });
  pass(60_000);
  assert.equal(net.sockets.length, 2);
});

test('attempts count on over connections that open and soon fail', (t) => {
  const { net, socket, welcome, pass } = harness(t, { maxAttempts: 3 });
  welcome();
  net.last.cut();
  assert.equal(socket.state.attempt, 2);
  pass(1_000);
  welcome({ resumed: true });
  pass(4_000);
  net.last.cut();
  assert.equal(socket.state.attempt, 3);
  pass(2_000);
  welcome({ resumed: true });
  pass(4_000);
  net.last.cut();
  assert.equal(socket.state.state, 'failed');
});

test('a connection that lasted makes the count begin anew', (t) => {
  const { net, socket, welcome, pass } = harness(t);
  welcome();
  for (let round = 0; round < 5; round += 1) {
    pass(5_000);
    net.last.cut();
    assert.equal(socket.state.attempt, 1);
    pass(500);
    welcome({ resumed: true });
  }
});

for (const code of [1000, 1002, 1007, 1008, 1009, 1011, 3000, 4400, 4408, 4409]) {
  test(`the gateway closes with ${code}: that is the end`, (t) => {
    const { net, socket, welcome, pass, details } = harness(t);
    welcome();
    socket.send('a');
    net.last.end(code, 'because');
    assert.equal(socket.state.state, 'closed');
    assert.equal(socket.state.code, code);
    assert.equal(socket.readyState, socket.CLOSED);
    assert.equal(socket.bufferedAmount, 0);
    assert.deepEqual(details('close'), [{ code, reason: 'because', wasClean: true }]);
    assert.equal(details('error').length, 0);
    pass(60_000);
    assert.equal(net.sockets.length, 1);
  });
}

for (const code of [1001, 1006, 1012, 1013]) {
  test(`the connection ends with ${code}: it tries again`, (t) => {
    const { net, welcome, pass, count } = harness(t);
    welcome();
    net.last.end(code, '', code !== 1006);
    pass(1_000);
    assert.equal(net.sockets.length, 2);
    assert.equal(count('close'), 0);
  });
}

test('own rule: retry(code, reason)', (t) => {
  const { net, socket, welcome } = harness(t, { retry: (code, reason) => code === 4001 && reason === 'later' });
  welcome();
  net.last.end(4001, 'later');
  assert.equal(socket.state.state, 'reconnecting');
  socket.reconnect();
  welcome();
  net.last.end(4001, 'never');
  assert.equal(socket.state.state, 'closed');
});

test('after closed, reconnect() begins a new session', (t) => {
  const { net, socket, welcome, count } = harness(t);
  welcome();
  socket.send('old');
  net.last.end(4409);
  socket.reconnect();
  assert.equal(socket.readyState, socket.CONNECTING);
  welcome({ pipe: 'pipe-2' });
  assert.deepEqual(net.last.controls, [{ type: 'start', resume: null }]);
  assert.deepEqual(net.last.messages, []);
  assert.equal(count('reset'), 0);
  assert.equal(count('open'), 2);
});

test('goaway: it comes back after the delay, whatever the code, and no attempt is counted', (t) => {
  const { net, socket, welcome, pass } = harness(t, { maxAttempts: 1 });
  welcome();
  net.last.control({ type: 'goaway', reconnectAfterMs: 3_000 });
  assert.equal(socket.state.state, 'open');
  assert.equal(socket.send('a'), true);
  assert.deepEqual(net.last.messages, ['a']);
  pass(1_000);
  net.last.end(1000);
  assert.deepEqual(
    [socket.state.state, socket.state.attempt, socket.state.reason, socket.state.nextTryAt],
    ['reconnecting', 0, 'goaway', startAt + 3_000],
  );
  pass(1_990);
  assert.equal(net.sockets.length, 1);
  pass(10);
  assert.equal(net.sockets.length, 2);
  net.last.end(1006);
  assert.equal(socket.state.state, 'reconnecting');
  assert.equal(socket.state.attempt, 1);
});

test('reconnect() in a listener of state, at the welcome: there is a connection', (t) => {
  const { net, socket, welcome } = harness(t);
  socket.addEventListener('state', () => socket.state.state === 'open' && socket.reconnect());
  welcome();
  assert.deepEqual([net.sockets.length, socket.state.state], [1, 'open']);
});

test('reconnect() in a listener of state, at an attempt: there is one already', (t) => {
  const { net, socket, welcome, pass } = harness(t);
  socket.addEventListener('state', () => socket.state.state === 'reconnecting' && socket.reconnect());
  welcome();
  net.last.cut();
  pass(1_000);
  assert.equal(net.sockets.length, 2);
  welcome({ resumed: true });
  assert.equal(socket.state.state, 'open');
  assert.equal(net.sockets[1]?.closedWith, null);
});

test('close() in retry, which says no: closed once, as it was said', async (t) => {
  const { net, socket, welcome, details } = harness(t, {
    retry: () => {
      socket.close();
      return false;
    },
  });
  let again = 0;
  socket.addEventListener('close', () => again++ === 0 && socket.reconnect());
  welcome();
  net.last.end(4001, 'bye');
  await settle();
  assert.deepEqual(details('close').length, 1);
  assert.equal(socket.state.state, 'connecting', 'the attempt that was begun since goes on');
});

test('retry that throws: the end, and the error is told as it was thrown', (t) => {
  const { net, socket, welcome, details } = harness(t, {
    retry: () => {
      throw new RangeError('mistake of the page');
    },
  });
  welcome();
  assert.throws(() => net.last.cut(), RangeError);
  assert.equal(socket.state.state, 'closed');
  assert.deepEqual(details('close'), [{ code: 1006, reason: '', wasClean: false }]);
});

test('goaway and no Close: it leaves by itself, without one', (t) => {
  const { net, welcome, pass } = harness(t);
  welcome();
  net.last.control({ type: 'goaway', reconnectAfterMs: 3_000 });
  pass(3_010);
  assert.equal(net.sockets.length, 2);
  assert.equal(net.sockets[0]?.closedWith, null);
});

test('an attempt has a deadline: for the upgrade, and for welcome', (t) => {
  const { net, socket, welcome, pass } = harness(t);
  pass(10_000);
  assert.deepEqual([socket.state.reason, socket.state.nextTryAt !== null], ['timeout', true]);
  assert.ok(net.last.closedWith, 'no session can hang on it');
  pass(1_000);
  net.last.open('holdfast.v1');
  net.last.control({ type: 'hello' });
  pass(9_990);
  assert.equal(net.sockets.length, 2);
  pass(10);
  assert.equal(socket.state.reason, 'timeout');
  assert.ok(net.last.closedWith, 'what it asked for was a new session, to which it cannot come back');
  pass(2_000);
  welcome();
  assert.equal(socket.state.state, 'open');
});

test('a deadline that passed while the machine slept is given once more', (t) => {
  const { net, socket, welcome, sleep } = harness(t);
  net.last.open('holdfast.v1');
  sleep(3_600_000);
  assert.equal(net.sockets.length, 1);
  welcome();
  assert.equal(socket.state.state, 'open');
});

test('an async function gives the url of each attempt; what it rejects is a failed attempt', async (t) => {
  let call = 0;
  const url = async (): Promise<string> => {
    call += 1;
    if (call === 2) throw new Error('no token');
    return `ws://gateway/ws?token=${call}`;
  };
  const { net, socket, welcome, pass } = harness(t, { url });
  assert.equal(socket.url, '');
  await settle();
  welcome();
  assert.equal(socket.url, 'ws://gateway/ws?token=1');
  net.last.cut();
  pass(1_000);
  await settle();
  assert.equal(net.sockets.length, 1);
  assert.deepEqual([socket.state.state, socket.state.reason], ['reconnecting', 'url']);
  pass(4_000);
  await settle();
  assert.equal(net.last.url, 'ws://gateway/ws?token=3');
});

test('a function that throws, one that never answers, and one that answers too late', async (t) => {
  let answer: (url: string) => void = () => {};
  let call = 0;
  const url = (): string | Promise<string> => {
    call += 1;
    if (call === 1) throw new Error('at once');
    return new Promise((resolve) => {
      answer = resolve;
    });
  };
  const { net, socket, pass } = harness(t, { url });
  await settle();
  assert.equal(socket.state.reason, 'url');
  pass(1_000);
  await settle();
  const late = answer;
  pass(10_000);
  assert.equal(socket.state.reason, 'timeout');
  late('ws://late/');
  await settle();
  assert.equal(net.sockets.length, 0);
});
