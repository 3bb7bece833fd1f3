import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeHandover, encodeHandover } from '../../src/gateways/handover-blob.ts';
import type { HandedOver } from '../../src/pipe/hand-over.ts';
import { Journal, type Run } from '../../src/pipe/journal.ts';
import { hashToken } from '../../src/pipe/resume-session.ts';
import { encodeFrame, opcode } from '../../src/wire/frame.ts';

const message = (bytes: number): Run => ({
  run: encodeFrame(opcode.binary, Buffer.alloc(bytes, 7), false),
  messages: 1,
});

function stateOf(runs: readonly Run[], sent = 0): HandedOver {
  return {
    pipeId: 'p',
    clientId: 'ünknown',
    openedAt: 1_700_000_000_000,
    protocol: null,
    rights: {
      attempt: 3,
      spent: [hashToken('c')],
      binding: { origin: 'https://a.example', clientId: null, principalId: 'u' },
      tokens: [hashToken('a'), hashToken('b')],
    },
    backendId: 'b1',
    generation: 3,
    ticket: 'x=y',
    upstream: { acknowledged: 5, everSent: 9 },
    downstream: { acknowledged: 10, everSent: 10 + sent, runs },
  };
}
const maxBytes = 1_000_000;
const framesOf = ({ downstream }: HandedOver): Buffer => Buffer.concat(downstream.runs.map(({ run }) => run));

test('what was written is read again: frames, where they were sent to, and all else', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(70_000), { maxLength: 8 }), fc.nat(8), (sizes, some) => {
      const runs = sizes.map(message);
      const sent = Math.min(some, sizes.length);
      const state = stateOf(runs, sent);
      const read = decodeHandover(encodeHandover(state, maxBytes)!)!;
      assert.deepEqual({ ...read, downstream: null }, { ...state, downstream: null });
      assert.ok(framesOf(read).equals(framesOf(state)));
      const journal = new Journal();
      journal.restore(read.downstream);
      assert.deepEqual([journal.sent, journal.received], [10 + sent, 10 + sizes.length]);
    }),
  );
});

test('a message that lies in two runs is one again', () => {
  const { run } = message(5000);
  const runs = [message(3), { run: run.subarray(0, 1000), messages: 0 }, { run: run.subarray(1000), messages: 1 }];
  for (const sent of [0, 1, 2]) {
    const read = decodeHandover(encodeHandover(stateOf(runs, sent), maxBytes)!)!;
    assert.equal(
      read.downstream.runs.reduce((sum, one) => sum + one.messages, 0),
      2,
    );
  }
});

test('what does not fit, or could not be read again, is not written', () => {
  const state = stateOf([message(1000)]);
  const { length } = encodeHandover(state, maxBytes)!;
  assert.notEqual(encodeHandover(state, length), null);
  assert.equal(encodeHandover(state, length - 1), null);
  const binding = { ...state.rights.binding, origin: 'o'.repeat(5000) };
  assert.equal(encodeHandover({ ...state, rights: { ...state.rights, binding } }, maxBytes), null);
});

test('whatever a blob was made into, it is read as a pipe with whole frames, or not at all', () => {
  const blob = encodeHandover(stateOf([message(20), message(300)], 1), maxBytes)!;
  fc.assert(
    fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), fc.nat(blob.length), (at, by, end) => {
      const damaged = Buffer.from(blob);
      damaged[at] = damaged[at]! ^ by;
      for (const one of [damaged, blob.subarray(0, end), damaged.subarray(0, end)]) {
        const read = decodeHandover(one);
        if (read === null) continue;
        const { runs, everSent, acknowledged } = read.downstream;
        assert.ok(runs.length <= 2 && everSent >= acknowledged);
        new Journal().restore(read.downstream);
      }
    }),
    { numRuns: 2000 },
  );
  assert.equal(decodeHandover(Buffer.alloc(0)), null);
  assert.equal(decodeHandover(Buffer.alloc(100, 0xff)), null);
});

test('frames that no gateway sends to a client are refused: masked, control, cut, out of place, with reserved bits', () => {
  const { run: whole } = message(10);
  const bad: Buffer[] = [
    encodeFrame(opcode.binary, Buffer.alloc(10), true),
    encodeFrame(opcode.ping, Buffer.alloc(4), false),
    encodeFrame(opcode.close, Buffer.alloc(2), false),
    whole.subarray(0, -1),
    whole.subarray(0, 1),
    Buffer.concat([Buffer.of(0x02), whole.subarray(1)]),
    Buffer.concat([Buffer.of(0x80), whole.subarray(1)]),
    Buffer.concat([Buffer.of(0xc2), whole.subarray(1)]),
    Buffer.of(0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255),
    Buffer.of(0x82, 126, 1),
  ];
  for (const run of bad)
    assert.equal(encodeHandover(stateOf([{ run, messages: 1 }]), maxBytes), null, run.toString('hex'));
  assert.equal(encodeHandover(stateOf([{ run: whole, messages: 2 }]), maxBytes), null, 'another count');
});
