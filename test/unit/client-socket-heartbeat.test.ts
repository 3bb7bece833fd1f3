/** HoldfastSocket asks whether its connection lives, and judges by what comes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { harness } from './client-harness.ts';

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
