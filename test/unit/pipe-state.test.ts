import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pipeStates } from '../../src/observe/vocabulary.ts';
import { isLive, transition } from '../../src/pipe/pipe-state.ts';

const legal = new Set([
  // DESIGN section 4.
  'connecting open',
  'connecting detached',
  'open interrupted',
  'interrupted open',
  'open detached',
  'interrupted detached',
  'detached open',
  'open migrating',
  'migrating open',
  // A backend that is lost during a migration, or while the client is away.
  'migrating interrupted',
  'detached interrupted',
  ...pipeStates.filter((state) => state !== 'closing' && state !== 'closed').map((state) => `${state} closing`),
  // To another gateway: from wherever it is, and not back.
  'connecting moving',
  'open moving',
  'interrupted moving',
  'migrating moving',
  'detached moving',
  'closing closed',
]);

for (const from of pipeStates) {
  for (const to of pipeStates) {
    const name = `${from} ${to}`;
    test(`${from} -> ${to} ${legal.has(name) ? 'is a move' : 'throws'}`, () => {
      if (legal.has(name)) assert.equal(transition(from, to), to);
      else assert.throws(() => transition(from, to), { code: 'HOLDFAST_ERR_ILLEGAL_TRANSITION' });
    });
  }
}

test('all states but the last three are live', () => {
  assert.deepEqual(
    pipeStates.filter((state) => !isLive(state)),
    ['moving', 'closing', 'closed'],
  );
});
