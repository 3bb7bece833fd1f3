/** Who looks up a name shares what is under way, and names that are dead leave the threads of the resolver to the others. */
import assert from 'node:assert/strict';
import dns, { type LookupOptions } from 'node:dns';
import { test } from 'node:test';
import { checkedLookup } from '../../src/link/checked-lookup.ts';
import { type LookupDone, SharedLookups } from '../../src/link/shared-lookups.ts';

const found = [{ address: '192.0.2.1', family: 4 }];
const dead = Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' });

/** A resolver whose lookups end when the test says so. */
class FakeResolver {
  now = 0;
  readonly underWay: { readonly name: string; readonly options: LookupOptions; readonly done: LookupDone }[] = [];
  readonly lookups = new SharedLookups({
    resolve: (name, options, done) => void this.underWay.push({ name, options, done }),
    now: () => this.now,
  });

  get names(): string[] {
    return this.underWay.map(({ name }) => name);
  }

  /** @returns how it ended for who asked. */
  ask(name: string, options: LookupOptions = {}): { end?: 'found' | 'failed' } {
    const asked: { end?: 'found' | 'failed' } = {};
    this.lookups.lookup(name, options, (error) => {
      asked.end = error === null ? 'found' : 'failed';
    });
    return asked;
  }

  #take(name: string): LookupDone {
    const [lookup] = this.underWay.splice(this.names.indexOf(name), 1);
    assert.equal(lookup?.name, name);
    return lookup.done;
  }

  answer(name: string): void {
    this.#take(name)(null, found);
  }

  /** The lookup under way fails after so long. */
  fail(name: string, afterMs: number): void {
    this.now += afterMs;
    this.#take(name)(dead, []);
  }

  /** So that it is known as slow. */
  dies(...names: string[]): void {
    for (const name of names) {
      this.ask(name);
      this.fail(name, 10_000);
    }
  }
}

test('all who ask for a name while it is looked up share one lookup, and the next who asks begins another', () => {
  const resolver = new FakeResolver();
  const first = resolver.ask('a');
  const second = resolver.ask('a');
  assert.deepEqual(resolver.names, ['a']);
  assert.deepEqual(resolver.underWay[0]?.options, { all: true });
  resolver.answer('a');
  assert.deepEqual([first.end, second.end], ['found', 'found']);
  resolver.ask('a');
  assert.deepEqual(resolver.names, ['a']);
});

test('a failure is shared as an answer is', () => {
  const resolver = new FakeResolver();
  const asked = [resolver.ask('a'), resolver.ask('a')];
  resolver.fail('a', 10);
  assert.deepEqual(
    asked.map(({ end }) => end),
    ['failed', 'failed'],
  );
});

test('another family of addresses, or other hints, are another lookup', () => {
  const resolver = new FakeResolver();
  resolver.ask('a', { family: 4 });
  resolver.ask('a', { family: 6 });
  resolver.ask('a', { family: 4, hints: 32 });
  resolver.ask('a', { family: 4 });
  assert.deepEqual(
    resolver.underWay.map(({ options }) => options),
    [
      { family: 4, all: true },
      { family: 6, all: true },
      { family: 4, hints: 32, all: true },
    ],
  );
});

test('names that have failed slowly are looked up one at a time, and hold up no other', () => {
  const resolver = new FakeResolver();
  resolver.dies('dead 1', 'dead 2', 'dead 3');
  resolver.ask('dead 1');
  const waiting = [resolver.ask('dead 2'), resolver.ask('dead 2')];
  resolver.ask('dead 3');
  resolver.ask('good');
  assert.deepEqual(resolver.names, ['dead 1', 'good']);
  resolver.fail('dead 1', 10_000);
  assert.deepEqual(resolver.names, ['good', 'dead 2']);
  resolver.fail('dead 2', 10_000);
  assert.deepEqual(
    waiting.map(({ end }) => end),
    ['failed', 'failed'],
    'who joined while it waited as well',
  );
  assert.deepEqual(resolver.names, ['good', 'dead 3']);
});

test('a name that fails at once, or is found late, keeps its place among the others', () => {
  const resolver = new FakeResolver();
  resolver.dies('dead');
  resolver.ask('dead');
  resolver.ask('unknown');
  resolver.fail('unknown', 999);
  resolver.ask('late');
  resolver.now += 10_000;
  resolver.answer('late');
  resolver.ask('unknown');
  resolver.ask('late');
  assert.deepEqual(resolver.names, ['dead', 'unknown', 'late']);
});

test('a name that is found again, or fails at once, takes turns no longer', () => {
  for (const end of ['answer', 'failure'] as const) {
    const resolver = new FakeResolver();
    resolver.dies('dead', 'back');
    resolver.ask('back');
    if (end === 'answer') resolver.answer('back');
    else resolver.fail('back', 10);
    resolver.ask('dead');
    resolver.ask('back');
    assert.deepEqual(resolver.names, ['dead', 'back']);
  }
});

test('of those that wait the one that failed least often goes first', () => {
  const resolver = new FakeResolver();
  resolver.dies('dead 1', 'dead 1', 'dead 2', 'dead 2', 'out for a moment');
  resolver.ask('dead 1');
  resolver.ask('dead 2');
  resolver.ask('out for a moment');
  resolver.fail('dead 1', 10_000);
  assert.deepEqual(resolver.names, ['out for a moment']);
  resolver.answer('out for a moment');
  assert.deepEqual(resolver.names, ['dead 2']);
});

test('a thousand names are remembered as slow, and then the one is forgotten that failed longest ago', () => {
  const resolver = new FakeResolver();
  const names = Array.from({ length: 1001 }, (_, n) => `dead ${n}`);
  resolver.dies(...names);
  resolver.ask('dead 1000');
  resolver.ask('dead 1');
  resolver.ask('dead 0');
  assert.deepEqual(resolver.names, ['dead 1000', 'dead 0']);
});

test('each who shares a lookup gets the addresses that it may connect to itself', async (t) => {
  const answers: (() => void)[] = [];
  type Done = (error: null, found: { address: string; family: number }[]) => void;
  const lookup = t.mock.method(dns, 'lookup', (_name: string, _options: object, done: Done) => {
    const both = ['192.0.2.1', '192.0.2.2'].map((address) => ({ address, family: 4 }));
    answers.push(() => done(null, both));
  });
  const ask = (forbidden: string[]): Promise<string> =>
    new Promise((resolve) => {
      const refuse = (address: string): string | null => (forbidden.includes(address) ? `not ${address}` : null);
      checkedLookup(refuse)('shared.test', {}, (error, address) => resolve(error?.message ?? String(address)));
    });
  const asked = [ask([]), ask(['192.0.2.1']), ask(['192.0.2.1', '192.0.2.2'])];
  assert.equal(lookup.mock.callCount(), 1);
  answers[0]?.();
  assert.deepEqual(await Promise.all(asked), ['192.0.2.1', '192.0.2.2', 'not 192.0.2.1, not 192.0.2.2']);
});
