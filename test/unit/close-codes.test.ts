import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeClosePayload, isSendableCloseCode, parseClosePayload } from '../../src/wire/close-codes.ts';

const sendable = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4409, 4999];
const forbidden = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65_535, -1];

test('only the codes of RFC 6455 section 7.4 may be sent', () => {
  for (const code of sendable) assert.equal(isSendableCloseCode(code), true, `${code}`);
  for (const code of forbidden) assert.equal(isSendableCloseCode(code), false, `${code}`);
});

test('a Close with a code that may not be sent is a violation 1002, as is one of a single byte', () => {
  for (const code of forbidden.filter((one) => one >= 0)) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    assert.deepEqual('violation' in parseClosePayload(payload) && parseClosePayload(payload), {
      violation: 1002,
      message: `a Close with the code ${code}`,
    });
  }
  const single = parseClosePayload(Buffer.of(3));
  assert.equal('violation' in single && single.violation, 1002);
});

test('a reason that is not UTF-8 is a violation 1007', () => {
  for (const reason of [
    [0xff],
    [0xc3, 0x28],
    [0xe2, 0x82],
    [0xed, 0xa0, 0x80],
    [0xc0, 0x80],
    [0xf5, 0x80, 0x80, 0x80],
  ]) {
    const parsed = parseClosePayload(Buffer.from([3, 232, ...reason]));
    assert.equal('violation' in parsed && parsed.violation, 1007, String(reason));
  }
});

test('an empty Close is 1005, and 1005 or 1006 is sent as an empty Close', () => {
  assert.deepEqual(parseClosePayload(Buffer.alloc(0)), { code: 1005, reason: '' });
  for (const code of forbidden) assert.equal(encodeClosePayload(code, 'why').length, 0, `${code}`);
});

test('what is encoded is read again, its reason cut at a character so that it fits a control frame', () => {
  fc.assert(
    fc.property(fc.constantFrom(...sendable), fc.string({ unit: 'grapheme', maxLength: 200 }), (code, reason) => {
      const payload = encodeClosePayload(code, reason);
      assert.ok(payload.length <= 125);
      const parsed = parseClosePayload(payload);
      assert.ok('code' in parsed);
      assert.equal(parsed.code, code);
      assert.ok(reason.startsWith(parsed.reason));
      if (Buffer.byteLength(reason) <= 123) assert.equal(parsed.reason, reason);
      else assert.ok(Buffer.byteLength(parsed.reason) > 119);
    }),
  );
});

test('a byte order mark in a reason stays part of it', () => {
  const parsed = parseClosePayload(encodeClosePayload(1000, '\ufeffmark'));
  assert.equal('reason' in parsed && parsed.reason, '\ufeffmark');
});
