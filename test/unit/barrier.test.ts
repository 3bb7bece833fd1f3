import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Barrier } from '../../src/pipe/barrier.ts';

const mark = (position: number) => ({ position, messages: position / 10 });

test('a pong with the payload of the barrier acknowledges its mark, once', () => {
  const barrier = new Barrier();
  assert.equal(barrier.outstanding, false);
  const payload = barrier.send(mark(10));
  assert.equal(barrier.outstanding, true);
  assert.deepEqual(barrier.answered(payload), mark(10));
  assert.equal(barrier.outstanding, false);
  assert.equal(barrier.answered(payload), null);
});

test('no other pong does', () => {
  const barrier = new Barrier();
  const payload = barrier.send(mark(10));
  for (const other of [Buffer.alloc(0), Buffer.alloc(8), payload.subarray(0, 7), Buffer.concat([payload, payload])]) {
    assert.equal(barrier.answered(other), null);
  }
  const future = Buffer.from(payload);
  future.writeUInt32BE(payload.readUInt32BE(4) + 1, 4);
  assert.equal(barrier.answered(future), null);
  assert.equal(barrier.outstanding, true);
});

test('a pong that comes after the link was lost means nothing', () => {
  const barrier = new Barrier();
  const old = barrier.send(mark(10));
  barrier.reset();
  assert.equal(barrier.outstanding, false);
  const payload = barrier.send(mark(20));
  assert.equal(barrier.answered(old), null);
  assert.deepEqual(barrier.answered(payload), mark(20));
});

test('sent anew: the pong of the latest acknowledges all', () => {
  const barrier = new Barrier();
  const first = barrier.send(mark(10));
  const second = barrier.send(mark(20));
  assert.deepEqual(barrier.answered(second), mark(20));
  assert.equal(barrier.outstanding, false);
  assert.equal(barrier.answered(first), null);
});

test('regression: sent anew faster than it is answered, the barrier still brings the journal forward', () => {
  const barrier = new Barrier();
  const out = Array.from({ length: 10 }, (_, at) => barrier.send(mark(10 * (at + 1))));
  assert.deepEqual(barrier.answered(out[0]!), mark(10));
  assert.equal(barrier.outstanding, true);
  let reached = 10;
  for (let at = 11; at <= 40; at += 1) {
    out.push(barrier.send(mark(10 * at)));
    const acknowledged = barrier.answered(out[at - 10]!);
    if (acknowledged !== null) {
      assert.ok(acknowledged.position <= 10 * (at - 9), 'no more than had been sent before that ping');
      reached = acknowledged.position;
    }
  }
  assert.ok(reached >= 200, `${reached}`);
});
