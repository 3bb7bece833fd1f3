import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRetryable } from '../../src/client/close-codes.ts';
import { decodeText, encodeControl, escapeText } from '../../src/client/control.ts';

const mark = '\u001e';

test('any application text comes out as it went in', () => {
  for (const text of ['', 'a', mark, mark + mark, `${mark}{"type":"ack"}`, `a${mark}`, '\u001f', '{"type":"ping"}']) {
    assert.equal(decodeText(escapeText(text)), text);
  }
});

test('only a text that begins with U+001E is changed', () => {
  assert.equal(escapeText(`a${mark}`), `a${mark}`);
  assert.equal(escapeText(mark), mark + mark);
});

test('a control message is an object, what is none is ignored', () => {
  assert.deepEqual(decodeText(encodeControl({ type: 'ack', received: 3 })), { type: 'ack', received: 3 });
  for (const text of [mark, `${mark}no`, `${mark}1`, `${mark}null`, `${mark}"a"`]) assert.equal(decodeText(text), null);
});

test('close codes that are worth another try', () => {
  assert.deepEqual(
    [1001, 1006, 1012, 1013, 1014, 1015].filter((code) => !isRetryable(code)),
    [],
  );
  const final = [1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 3000, 4000, 4400, 4408, 4409, 4999];
  assert.deepEqual(final.filter(isRetryable), []);
});
