import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AddressRates } from '../../src/limits/address-rates.ts';
import { PingRate } from '../../src/limits/ping-rate.ts';
import { TokenBucket } from '../../src/limits/token-bucket.ts';

test('a token bucket gives its burst at once, then its rate, and says how long to wait', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 3 });
  assert.deepEqual([bucket.take(1000), bucket.take(1000), bucket.take(1000)], [0, 0, 0]);
  assert.equal(bucket.take(1000), 100);
  assert.equal(bucket.take(1060), 40);
  assert.equal(bucket.take(1100), 0, 'one has come');
  assert.equal(bucket.take(1100), 100);
  assert.deepEqual(
    [5000, 5000, 5000].map((now) => bucket.take(now)),
    [0, 0, 0],
    'it is full again, not fuller',
  );
  assert.equal(bucket.take(5000), 100);
});

test('no rate is no limit', () => {
  const bucket = new TokenBucket({ perSecond: 0, burst: 1 });
  assert.deepEqual([bucket.take(0), bucket.take(0), bucket.take(0)], [0, 0, 0]);
});

test('pings behind data count for nothing, all others do', () => {
  const rate = new PingRate({ perSecond: 1, burst: 2 });
  let bytes = 0;
  const ping = (data: number): boolean => {
    bytes += data + 8;
    return rate.allows(bytes, 0);
  };
  for (let n = 0; n < 1000; n += 1) assert.equal(ping(65_536), true);
  assert.deepEqual([ping(10), ping(10), ping(10)], [true, true, false]);
  assert.equal(ping(16_384), true);
  assert.equal(ping(0), false);
  let allowed = 0;
  for (let n = 0; n < 20_480; n += 1) if (ping(0)) allowed += 1;
  assert.equal(allowed, 0, 'of pings alone');
});

test('property: in no stretch of time more tokens are given than the burst and the rate allow', () => {
  const steps = fc.array(fc.nat(300), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), (waits, perSecond, burst) => {
      const bucket = new TokenBucket({ perSecond, burst });
      const given: number[] = [];
      let now = 0;
      for (const wait of waits) {
        now += wait;
        if (bucket.take(now) === 0) given.push(now);
      }
      for (let from = 0; from < given.length; from += 1)
        for (let to = from; to < given.length; to += 1) {
          const seconds = (given[to]! - given[from]!) / 1000;
          assert.ok(to - from + 1 <= burst + perSecond * seconds + 1e-6);
        }
    }),
  );
});

test('each address has a bucket of its own', () => {
  const rates = new AddressRates({ perSecond: 10, burst: 2 }, 100);
  assert.deepEqual([rates.take('a', 0), rates.take('a', 0)], [0, 0]);
  assert.equal(rates.take('a', 0), 100);
  assert.equal(rates.take('b', 0), 0);
  assert.equal(rates.take('a', 0), 100, 'a refused one costs nothing');
});

test('to look whether a token is there takes none', () => {
  const rates = new AddressRates({ perSecond: 10, burst: 1 }, 100);
  assert.equal(rates.empty('a', 0), false);
  assert.equal(rates.empty('a', 0), false);
  rates.take('a', 0);
  assert.equal(rates.empty('a', 0), true);
  assert.equal(rates.empty('a', 99), true);
  assert.equal(rates.empty('a', 100), false);
  assert.equal(new AddressRates({ perSecond: 0, burst: 1 }, 100).empty('a', 0), false);
});

test('the table holds no more addresses than it may: the one silent for longest is forgotten first', () => {
  const rates = new AddressRates({ perSecond: 1, burst: 1 }, 3);
  for (const address of ['a', 'b', 'c']) assert.equal(rates.take(address, 0), 0);
  assert.ok(rates.take('a', 1) > 0, 'a was heard of lately');
  assert.equal(rates.take('d', 2), 0);
  assert.equal(rates.size, 3);
  assert.ok(rates.take('a', 3) > 0, 'a is still known');
  assert.equal(rates.take('b', 4), 0, 'b was forgotten');
});

test('a million addresses leave no more than the bound, and silence empties the table', () => {
  const rates = new AddressRates({ perSecond: 1, burst: 1 }, 1000);
  for (let n = 0; n < 1_000_000; n += 1) rates.take(`10.${n}`, n / 1000);
  assert.equal(rates.size, 1000);
  for (let n = 0; n < 1000; n += 1) rates.take('x', 10_000 + n * 2000);
  assert.equal(rates.size, 1);
});
