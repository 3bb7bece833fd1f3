import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventStream } from '../../src/observe/events.ts';
import { resolveOptions } from '../../src/options.ts';
import type { Backend } from '../../src/pool/backend.ts';
import { BackendPool } from '../../src/pool/backend-pool.ts';
import type { Lease } from '../../src/pool/lease.ts';

const which = fc.nat({ max: 7 });
const step = fc.oneof(
  fc.record({ do: fc.constant('register' as const), which, max: fc.option(fc.integer({ min: 1, max: 3 })) }),
  fc.record({ do: fc.constant('remove' as const), which }),
  fc.record({ do: fc.constant('limit' as const), which, max: fc.option(fc.integer({ min: 1, max: 3 })) }),
  fc.record({
    do: fc.constant('admin' as const),
    which,
    state: fc.constantFrom('enabled' as const, 'draining' as const, 'disabled' as const),
  }),
  fc.record({ do: fc.constantFrom('arrive' as const, 'arrive' as const), which }),
  fc.record({
    do: fc.constantFrom('attached' as const, 'proved' as const, 'failed' as const, 'release' as const),
    which,
  }),
  fc.record({ do: fc.constant('pipe-failed' as const), which }),
  fc.record({ do: fc.constant('leave' as const), which }),
  fc.record({ do: fc.constant('check' as const), which, passed: fc.boolean() }),
  fc.record({ do: fc.constant('time' as const), ms: fc.constantFrom(1, 500, 1000, 5000) }),
);
const poolOptions = fc.record({
  balancing: fc.constantFrom(
    'least-connections' as const,
    'round-robin' as const,
    'random-two' as const,
    'hash' as const,
  ),
  maxConcurrentDials: fc.integer({ min: 1, max: 3 }),
  ejectAfter: fc.nat({ max: 3 }),
  maxErrors: fc.constantFrom(0, 0, 4),
  maxEjectionPercent: fc.constantFrom(0, 50, 100),
  slowStartMs: fc.constantFrom(0, 2000),
  health: fc.constantFrom(
    { kind: 'off' as const },
    { kind: 'websocket' as const, rise: 1, fall: 1 },
    { kind: 'websocket' as const, rise: 2, fall: 2 },
  ),
});

test('whatever happens, counts agree with the leases, limits hold and nobody waits beside a free backend', () => {
  fc.assert(
    fc.property(poolOptions, fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), (options, steps) => {
      let now = 0;
      const events = new EventStream((error) => {
        throw error;
      });
      const pool = new BackendPool({
        options: resolveOptions({ pool: options }).pool,
        events,
        now: () => now,
        random: () => 0.5,
        onError: (error) => {
          throw error;
        },
      });
      const live = new Map<Lease, 'dialing' | 'attached'>();
      const waiting = new Set<object>();
      const known = new Set<Backend>();
      let leases = 0;

      const take = (): boolean => {
        const lease = pool.lease({ clientId: `c${leases}` });
        if (lease === null) return false;
        leases += 1;
        const { backend } = lease;
        assert.ok(backend.enabled && !backend.removed);
        const fresh = pool.list().some((one) => one.enabled && !one.full && !one.leftOutAt(now));
        assert.ok(!backend.leftOutAt(now) || !fresh, 'one that is left out, while another is not');
        assert.ok(backend.connections <= (backend.maxConnections ?? Number.POSITIVE_INFINITY), 'over maxConnections');
        assert.ok(backend.dialing <= options.maxConcurrentDials, 'over maxConcurrentDials');
        live.set(lease, 'dialing');
        return true;
      };
      const arrive = (): void => {
        const waiter = {
          backendAvailable(): void {
            waiting.delete(waiter);
            if (take()) return;
            waiting.add(waiter);
            pool.wait(waiter);
          },
        };
        if (take()) return;
        waiting.add(waiter);
        pool.wait(waiter);
      };
      const idOf = (at: number) => pool.list()[at % Math.max(1, pool.size)]?.id;

      for (const action of steps) {
        switch (action.do) {
          case 'register':
            if (pool.find(`b${action.which}`) === undefined) {
              known.add(
                pool.register({ id: `b${action.which}`, url: `ws://b${action.which}/`, maxConnections: action.max }),
              );
            }
            break;
          case 'remove':
            if (idOf(action.which)) pool.remove(idOf(action.which)!, 'operator');
            break;
          case 'limit':
            if (idOf(action.which)) pool.update(idOf(action.which)!, { maxConnections: action.max });
            break;
          case 'admin':
            if (idOf(action.which)) pool.update(idOf(action.which)!, { adminState: action.state });
            break;
          case 'arrive':
            arrive();
            break;
          case 'leave': {
            const waiter = [...waiting][action.which];
            if (waiter === undefined) break;
            waiting.delete(waiter);
            pool.stopWaiting(waiter as never);
            break;
          }
          case 'check': {
            const backend = pool.list()[action.which];
            if (backend !== undefined) pool.checked(backend, { passed: action.passed, detail: '', checkMs: 1 });
            break;
          }
          case 'time':
            now += action.ms;
            pool.tick();
            break;
          default: {
            const lease = [...live.keys()][action.which];
            if (lease === undefined) break;
            if (action.do === 'attached' || action.do === 'proved') {
              live.set(lease, 'attached');
              lease[action.do]();
            } else {
              live.delete(lease);
              if (action.do === 'failed') lease.failed('refused');
              else if (action.do === 'release') lease.release();
              else lease.failed('crashed', { pipeId: `p${action.which}` });
            }
          }
        }
        // What cannot be done from within lease() is done at the tick.
        pool.tick();
        const held = new Map<Backend, [number, number]>();
        for (const [lease, state] of live) {
          const counts = held.get(lease.backend) ?? [0, 0];
          counts[0] += 1;
          if (state === 'dialing') counts[1] += 1;
          held.set(lease.backend, counts);
        }
        for (const backend of known) {
          assert.deepEqual([backend.connections, backend.dialing], held.get(backend) ?? [0, 0]);
        }
        if (waiting.size > 0) {
          const missed = pool.lease({ clientId: 'probe' });
          assert.equal(missed?.backend.id, undefined, 'someone waits while there is a backend');
        }
        assert.equal(
          pool.usable(),
          pool.list().some((b) => b.adminState === 'enabled' && !b.full),
        );
      }
      for (const lease of live.keys()) lease.release();
      for (const backend of known) assert.deepEqual([backend.connections, backend.dialing], [0, 0]);
    }),
    { numRuns: 1000 },
  );
});
