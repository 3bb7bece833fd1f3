import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { EventStream } from '../../src/observe/events.ts';
import { LogCapture } from '../support/log-capture.ts';
import { deferred, once, until, withTimeout } from '../support/wait.ts';

describe('wait', () => {
  it('polls until it is so, and says what was not', async () => {
    let calls = 0;
    assert.equal(await until(() => (++calls > 2 ? calls : 0)), 3);
    const never = until(() => false, { timeoutMs: 20, what: () => `the impossible (${calls})` });
    await assert.rejects(never, (error: Error) => {
      assert.equal(error.message, 'Waited 20 ms for the impossible (3)');
      assert.match(error.stack ?? '', /support-wait\.test/);
      return true;
    });
    const throws = until(
      () => {
        throw new Error('inner');
      },
      { timeoutMs: 10 },
    );
    await assert.rejects(throws, (error: Error) => (error.cause as Error).message === 'inner');
  });

  it('puts a limit on a promise', async () => {
    const { promise, resolve } = deferred<number>();
    await assert.rejects(withTimeout(promise, 10, 'a number'), /Waited 10 ms for a number/);
    resolve(4);
    assert.equal(await withTimeout(promise, 10, 'a number'), 4);
  });

  it('hears the wanted event of an emitter or of our stream', async () => {
    const emitter = new EventEmitter();
    const heard = once<number>(emitter, 'tick', (n) => n > 1);
    emitter.emit('tick', 1);
    emitter.emit('tick', 2);
    assert.equal(await heard, 2);
    assert.equal(emitter.listenerCount('tick'), 0);
    await assert.rejects(once(emitter, 'tock', undefined, 10), /the event 'tock'/);
    const events = new EventStream(() => {});
    const started = once(events, 'gateway.started', ({ path }) => path === '/ws');
    events.emit('gateway.started', { path: '/ws', backends: 2 });
    assert.equal((await started).backends, 2);
  });
});

describe('log capture', () => {
  it('finds events by name, before and after', async () => {
    const capture = new LogCapture();
    const log = pino({ level: 'trace' }, capture);
    log.info({ event: 'pipe.opened', pipeId: 'p1' }, 'opened');
    assert.equal((await capture.waitForEvent('pipe.opened'))['pipeId'], 'p1');
    const later = capture.waitForEvent('pipe.closed', ({ pipeId }) => pipeId === 'p1');
    log.info({ pipeId: 'p1' }, 'pipe.closed');
    assert.equal((await later).msg, 'pipe.closed');
    assert.equal(capture.events('pipe.closed').length, 1);
    assert.ok(capture.text.includes('p1'));
    await assert.rejects(
      capture.waitForEvent('nothing', undefined, { timeoutMs: 10 }),
      /seen: pipe.opened, pipe.closed/,
    );
  });
});
