/** A worker that stood still has not heard what the primary said meanwhile: that is no silence of the primary. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import { encodeAnswer } from '../../src/cluster/ipc/ipc-messages.ts';
import { IpcStore } from '../../src/cluster/ipc/ipc-store.ts';
import { makeStandStill } from '../support/stand-still.ts';

const timeoutMs = 50;

/** A primary that has heard everything, and answers when it is told to. */
class Channel extends EventEmitter {
  readonly connected = true;
  #asked: { store: number; id: number } | undefined;

  send(message: object): boolean {
    this.#asked = message as { store: number; id: number };
    return true;
  }

  answer(): void {
    const { store, id } = this.#asked!;
    this.emit('message', encodeAnswer({ store, id, result: null }));
  }
}

function makeStore(t: TestContext) {
  const channel = new Channel();
  const store = new IpcStore({ channel, timeoutMs });
  t.after(() => {
    channel.emit('disconnect');
  });
  return { channel, store };
}

test('an answer that came while this process stood still for longer than the wait is an answer', async (t) => {
  const { channel, store } = makeStore(t);
  const standStill = await makeStandStill(t);
  const answer = store.get('pipe:one');
  await standStill(4 * timeoutMs, () => channel.answer());
  assert.equal(await answer, null);
});

test('without an answer the wait ends, also where this process stood still', async (t) => {
  const { store } = makeStore(t);
  const standStill = await makeStandStill(t);
  const answer = store.get('pipe:one');
  await standStill(4 * timeoutMs, () => {});
  await assert.rejects(answer, { reason: 'timeout' });
});
