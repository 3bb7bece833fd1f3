import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BeatName, EventStream, type HoldfastEvents } from '../../src/observe/events.ts';

const fields = { pipeId: 'p', clientId: 'c', clientIp: '::1', hop: 'client', form: 'rfc6455' } as const;

/** Counts the events that are made. */
function setUp() {
  let made = 0;
  const errors: unknown[] = [];
  const events = new EventStream((error) => errors.push(error));
  const source = {
    beatEvent: (name: BeatName, form: 'rfc6455', rttMs: number): HoldfastEvents[BeatName] => {
      made += 1;
      return name === 'heartbeat.pong' ? { ...fields, form, rttMs } : { ...fields, form };
    },
  };
  const pong = () => events.beat('heartbeat.pong', 'client', 'rfc6455', 7, source);
  return { events, errors, pong, made: () => made };
}

test('a pong that is only counted is no event', () => {
  const { events, pong, made } = setUp();
  const counted: unknown[] = [];
  const unwanted = () => assert.fail('it was told');
  events.tap(
    Object.assign(unwanted, {
      beat: (...beat: unknown[]) => {
        counted.push(beat);
        return false;
      },
    }),
  );
  pong();
  pong();
  assert.deepEqual(counted, Array(2).fill(['heartbeat.pong', 'client', 7]));
  assert.equal(made(), 0);
});

test('all who want it get the same event, made once: sinks without a filter, those that say so, and listeners', () => {
  const { events, errors, pong, made } = setUp();
  const heard: unknown[] = [];
  events.tap((name, event) => heard.push([name, event]));
  events.tap(Object.assign((_name: string, event: unknown) => heard.push(event), { beat: () => true }));
  events.tap(() => {
    throw new Error('a sink that fails');
  });
  events.on('heartbeat.pong', (event) => heard.push(event));
  pong();
  const event = { ...fields, rttMs: 7 };
  assert.deepEqual(heard, [['heartbeat.pong', event], event, event]);
  assert.equal(made(), 1);
  assert.equal(errors.length, 1);
});

test('a listener alone is enough, and gone it is none', () => {
  const { events, pong, made } = setUp();
  const heard: number[] = [];
  const listener = ({ rttMs }: HoldfastEvents['heartbeat.pong']) => heard.push(rttMs);
  events.on('heartbeat.pong', listener);
  pong();
  events.off('heartbeat.pong', listener);
  pong();
  assert.deepEqual(heard, [7]);
  assert.equal(made(), 1);
});
