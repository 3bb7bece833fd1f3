import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Journal } from '../../src/pipe/journal.ts';

const numRuns = Number(process.env['HOLDFAST_JOURNAL_RUNS'] ?? 400);

const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 6, max: 40 }) },
  { weight: 2, arbitrary: fc.integer({ min: 900, max: 1200 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1200, max: 20_000 }) },
);
const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('run' as const), sizes: fc.array(size, { minLength: 1, maxLength: 4 }) }),
  },
  // One message in pieces; the last run may hold further messages.
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('pieces' as const),
      pieces: fc.array(size, { minLength: 1, maxLength: 4 }),
      sizes: fc.array(size, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('many' as const),
      count: fc.integer({ min: 1, max: 700 }),
      size: fc.integer({ min: 6, max: 30 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('write' as const), runs: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('writeAll' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mark' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('acknowledge' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rewind' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('block' as const), blocked: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('forgetSent' as const) }) },
);

/** The same in the simplest way: all bytes ever, where messages end in them, and three positions. */
class Model {
  readonly ends: number[] = [];
  readonly bytes: Buffer[] = [];
  length = 0;
  sentTo = 0;
  acknowledgedTo = 0;
  everSent = 0;

  /** Messages that end at or before `position`. */
  messagesTo(position: number): number {
    let low = 0;
    let high = this.ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle]! <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  add(run: Buffer, endsInRun: readonly number[]): void {
    this.bytes.push(Buffer.from(run));
    for (const end of endsInRun) this.ends.push(this.length + end);
    this.length += run.length;
  }

  sent(bytes: number): void {
    this.sentTo += bytes;
    this.everSent = Math.max(this.everSent, this.messagesTo(this.sentTo));
  }
}

test('a journal does what a plain list would, with few objects', () => {
  let compacted = 0;
  fc.assert(
    fc.property(fc.array(action, { minLength: 5, maxLength: 60, size: 'max' }), (actions) => {
      const journal = new Journal();
      const model = new Model();
      const marks: { mark: Journal['mark']; position: number }[] = [];
      let blocked = false;
      let filled = 0;

      const push = (run: Buffer, ends: readonly number[]): void => {
        model.add(run, ends);
        if (journal.cut || (!blocked && !journal.hasUnsent)) {
          journal.pushSent(run, ends.length);
          model.sent(run.length);
        } else {
          journal.push(run, ends.length);
        }
      };
      const make = (sizes: readonly number[]): [Buffer, number[]] => {
        const ends: number[] = [];
        let at = 0;
        for (const one of sizes) {
          at += one;
          ends.push(at);
        }
        filled += 1;
        return [Buffer.allocUnsafeSlow(at).fill(filled), ends];
      };
      const write = (): boolean => {
        const from = model.sentTo;
        const next = journal.next();
        if (next === null) {
          assert.equal(from, model.length);
          return false;
        }
        model.sent(next.run.length);
        assert.equal(next.messages, model.messagesTo(model.sentTo) - model.messagesTo(from));
        assert.ok(next.run.equals(Buffer.concat(model.bytes).subarray(from, model.sentTo)), 'other bytes');
        assert.equal(journal.cut, model.ends[model.messagesTo(model.sentTo) - 1] !== model.sentTo && model.sentTo > 0);
        return true;
      };
      const check = (): void => {
        assert.equal(journal.bytes, model.length - model.acknowledgedTo);
        assert.equal(journal.unsentBytes, model.length - model.sentTo);
        assert.equal(journal.unacknowledgedBytes, model.sentTo - model.acknowledgedTo);
        assert.equal(journal.received, model.ends.length);
        assert.equal(journal.acknowledged, model.messagesTo(model.acknowledgedTo));
        assert.equal(journal.messages, model.ends.length - model.messagesTo(model.acknowledgedTo));
        assert.equal(journal.replayable, Math.max(0, model.everSent - model.messagesTo(model.acknowledgedTo)));
        assert.equal(journal.hasUnsent, model.sentTo < model.length);
        assert.equal(journal.empty, model.acknowledgedTo === model.length);
      };

      for (const step of actions) {
        switch (step.do) {
          case 'run':
            push(...make(step.sizes));
            break;
          case 'pieces': {
            for (const piece of step.pieces) push(make([piece])[0], []);
            push(...make(step.sizes));
            break;
          }
          case 'many': {
            const before = journal.entries;
            for (let i = 0; i < step.count; i += 1) push(...make([step.size]));
            if (journal.entries - before < step.count) compacted += 1;
            break;
          }
          case 'write':
            for (let i = 0; (i < step.runs || journal.cut) && write(); i += 1);
            break;
          case 'writeAll':
            while (write());
            break;
          case 'mark':
            marks.push({ mark: journal.mark, position: model.sentTo });
            break;
          case 'acknowledge': {
            const one = marks[step.which % Math.max(1, marks.length)];
            if (one === undefined) break;
            journal.acknowledge(one.mark);
            model.acknowledgedTo = Math.max(model.acknowledgedTo, one.position);
            break;
          }
          case 'forgetSent':
            journal.forgetSent();
            model.acknowledgedTo = model.sentTo;
            break;
          case 'block':
            blocked = step.blocked;
            break;
          default:
            journal.rewind();
            model.sentTo = model.acknowledgedTo;
            marks.length = 0;
        }
        check();
      }
      journal.rewind();
      model.sentTo = model.acknowledgedTo;
      while (write());
      check();
      // Each small run gathered or compacted; pieces of messages and what lies between large runs are not.
      const bound = 1200 + model.length / 256;
      assert.ok(journal.entries <= bound, `${journal.entries} entries for ${model.length} bytes`);
    }),
    { numRuns },
  );
  assert.ok(compacted > 0);
});
