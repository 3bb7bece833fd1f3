/** What HoldfastSocket is made with: the url, and where a WebSocket comes from. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastSocket } from '../../src/client/index.ts';
import { fakeTime, harness } from './client-harness.ts';
import { memoryNetwork } from './client-memory-wire.ts';

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

test('a URL object is a url', (t) => {
  assert.equal(harness(t, { url: new URL('ws://gateway:81/a?b=c') }).net.last.url, 'ws://gateway:81/a?b=c');
});
