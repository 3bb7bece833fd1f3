/** Turns: links and handshakes do not keep each other waiting, however many there are of the one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../src/link/turns.ts';

/** Resolves when all have had their turn, with their names in that order; `begin` puts them in the queues. */
function taken(
  count: number,
  begin: (turns: Turns, named: (name: string) => { takeTurn(): void }) => void,
): Promise<string[]> {
  const order: string[] = [];
  return new Promise((resolve) => {
    begin(new Turns(), (name) => ({
      takeTurn() {
        order.push(name);
        if (order.length === count) resolve(order);
      },
    }));
  });
}

test('a link that comes after a crowd of upgrades has every second turn, and so has an upgrade among links', async () => {
  const order = await taken(8, (turns, named) => {
    for (const name of ['u1', 'u2', 'u3', 'u4', 'u5']) turns.waitToBegin(named(name));
    for (const name of ['l1', 'l2', 'l3']) turns.wait(named(name));
    assert.equal(turns.waiting, 8);
  });
  assert.deepEqual(order, ['l1', 'u1', 'l2', 'u2', 'l3', 'u3', 'u4', 'u5']);
  const other = await taken(6, (turns, named) => {
    for (const name of ['l1', 'l2', 'l3', 'l4']) turns.wait(named(name));
    for (const name of ['u1', 'u2']) turns.waitToBegin(named(name));
  });
  assert.deepEqual(other, ['l1', 'u1', 'l2', 'u2', 'l3', 'l4']);
});

test('a link that waits again in its turn is served again after one upgrade, not after all of them', async () => {
  const order = await taken(9, (turns, named) => {
    let left = 4;
    const again = named('l');
    const link = {
      takeTurn() {
        left -= 1;
        if (left > 0) turns.wait(link);
        again.takeTurn();
      },
    };
    turns.wait(link);
    for (let n = 0; n < 5; n += 1) turns.waitToBegin(named('u'));
  });
  assert.equal(order.join(''), 'lulululuu');
});

test('a handshake whose backend has answered goes before those that have not begun, and not before a link', async () => {
  const order = await taken(5, (turns, named) => {
    for (const name of ['u1', 'u2']) turns.waitToBegin(named(name));
    for (const name of ['a1', 'a2']) void turns.waitToFinish().then(() => named(name).takeTurn());
    turns.wait(named('l1'));
  });
  assert.deepEqual(order, ['l1', 'a1', 'a2', 'u1', 'u2']);
});

test('one turn each time round the event loop, whoever has it', async () => {
  let round = 0;
  let ticking = setImmediate(function tick() {
    round += 1;
    ticking = setImmediate(tick);
  });
  const rounds: number[] = [];
  const turns = new Turns();
  const order = await taken(6, (_turns, named) => {
    for (let n = 0; n < 6; n += 1) {
      const taker = named(String(n));
      const one = {
        takeTurn() {
          rounds.push(round);
          taker.takeTurn();
        },
      };
      if (n % 2 === 0) turns.wait(one);
      else turns.waitToBegin(one);
    }
  });
  clearImmediate(ticking);
  assert.equal(new Set(rounds).size, order.length, `more than one in a round: ${rounds}`);
  assert.equal(turns.taken, order.length);
  assert.equal(turns.waiting, 0);
});

test('a plain request that comes after crowds of links and upgrades has every third turn, and so have they among requests', async () => {
  const order = await taken(12, (turns, named) => {
    for (let n = 0; n < 4; n += 1) turns.wait(named('l'));
    for (let n = 0; n < 4; n += 1) turns.waitToBegin(named('u'));
    for (let n = 0; n < 4; n += 1) turns.waitToServe(named('r'));
    assert.equal(turns.waiting, 12);
  });
  assert.equal(order.join(''), 'lurlurlurlur');
});
