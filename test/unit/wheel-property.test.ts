import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TimerWheel, type WheelTimer } from '../../src/heartbeat/wheel.ts';
import { FakeClock } from '../support/fake-clock.ts';

const timers = 8;
const index = fc.nat(timers - 1);
const ms = fc.oneof(fc.nat(300), fc.nat(12_000), fc.double({ min: 0, max: 200, noNaN: true }), fc.nat(4_000_000));
const action = fc.oneof(
  fc.record({ kind: fc.constant('start' as const), timer: index, ms }),
  fc.record({ kind: fc.constant('stop' as const), timer: index, ms }),
  fc.record({ kind: fc.constant('advance' as const), timer: index, ms }),
  fc.record({ kind: fc.constant('stall' as const), timer: index, ms }),
);
/** What a timer does when it fires: starts or stops another. */
const reaction = fc.option(fc.record({ timer: index, start: fc.boolean(), ms }), { nil: undefined });

test('whatever is started, stopped and stalled: never early, never missed, in order within a step', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 10, 25),
      fc.array(action, { maxLength: 60 }),
      fc.array(reaction, { minLength: timers, maxLength: timers }),
      (stepMs, actions, reactions) => {
        const clock = new FakeClock();
        const wheel = new TimerWheel({ clock, stepMs, onError: (error) => assert.fail(String(error)) });
        const due: (number | null)[] = Array.from({ length: timers }, () => null);
        /** Until when late timers are the fault of a stall. */
        let stalledTo = -Infinity;
        let reacted = 0;
        let lastDue = -Infinity;
        let lastFiredAt = -Infinity;
        let broken = '';
        const start = (i: number, delayMs: number) => {
          due[i] = clock.now() + delayMs;
          made[i]!.start(delayMs);
        };
        const stop = (i: number) => {
          due[i] = null;
          made[i]!.stop();
        };
        const owner = {
          timerFired(name: string) {
            const i = Number(name);
            const now = clock.now();
            const at = due[i] ?? null;
            due[i] = null;
            if (at === null) broken ||= `${i} fired although it was not armed`;
            else if (now < at - 1e-6) broken ||= `${i} fired ${at - now} ms early`;
            else if (now > Math.max(at, stalledTo) + stepMs + 1.001) broken ||= `${i} fired ${now - at} ms late`;
            else if (now === lastFiredAt && at < lastDue - stepMs - 1e-6) broken ||= `${i} fired out of order`;
            lastDue = now === lastFiredAt ? Math.max(lastDue, at ?? 0) : (at ?? 0);
            lastFiredAt = now;
            const next = reactions[i];
            if (next === undefined || reacted > 200) return;
            reacted += 1;
            if (next.start) start(next.timer, next.ms);
            else stop(next.timer);
          },
        };
        const made: WheelTimer[] = Array.from({ length: timers }, (_, i) => wheel.timer(owner, `${i}`));
        for (const { kind, timer, ms: amount } of actions) {
          if (kind === 'start') start(timer, amount);
          else if (kind === 'stop') stop(timer);
          else if (kind === 'advance') clock.advance(Math.min(amount, 20_000));
          else {
            clock.stall(amount);
            stalledTo = clock.now();
          }
          assert.equal(wheel.size, due.filter((at) => at !== null).length);
          assert.equal(clock.planned.size, wheel.size > 0 ? 1 : 0);
        }
        for (let i = 0; i < 250 && wheel.size > 0; i += 1) clock.advance(200_000);
        assert.equal(broken, '');
      },
    ),
    { numRuns: 150 },
  );
});

test('the fair clock never goes back, nor faster than the real one', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ stall: fc.boolean(), ms: fc.nat(700) }), { maxLength: 60 }), (moves) => {
      const clock = new FakeClock();
      const wheel = new TimerWheel({ clock });
      const timer = wheel.timer({ timerFired: () => timer.start(30) }, 'a');
      timer.start(30);
      let real = wheel.now();
      let fair = wheel.fairNow();
      const look = () => {
        assert.ok(wheel.fairNow() >= fair - 1e-6);
        assert.ok(wheel.fairNow() - fair <= wheel.now() - real + 1e-6);
        real = wheel.now();
        fair = wheel.fairNow();
      };
      for (const move of moves) {
        if (move.stall) clock.stall(move.ms);
        else clock.advance(move.ms);
        look();
        clock.advance(0);
        look();
      }
    }),
    { numRuns: 300 },
  );
});
