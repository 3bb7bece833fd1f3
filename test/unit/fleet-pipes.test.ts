/** Pages over the pipes of several gateways: stable while pipes come and go, cheap, and not to be led astray by a gateway that lies. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { examplePipe } from '../../routes/schemas/pipe.ts';
import { FleetPipes } from '../../src/gateways/fleet-pipes.ts';
import { countQuestion, rowsQuestion } from '../../src/gateways/pipe-questions.ts';
import type { PipeFilter, PipePage, PipeQuery, PipeSliceOrder, PipeView } from '../../src/pipe/views.ts';
import { startFleet } from '../support/fleet.ts';
import type { Owner } from '../support/owner.ts';

/** The pipes of one gateway, in the order of their beginning. */
class Listed {
  rows: { position: number; pipe: PipeView }[] = [];
  asked: PipeSliceOrder[] = [];
  #added = 0;

  add(id: string, more: Partial<PipeView> = {}): void {
    this.#added += 1;
    this.rows.push({ position: this.#added, pipe: { ...examplePipe, id, clientId: id, ...more } });
  }

  slicePipes({ state }: PipeFilter, order: PipeSliceOrder) {
    this.asked.push(order);
    const fitting = this.rows.filter(({ pipe }) => state === undefined || pipe.state === state);
    const behind = fitting.filter(({ position }) => position > order.after);
    const found = behind.slice(0, order.limit);
    const full = found.findIndex(({ pipe }) => order.room?.(pipe) === false);
    if (full >= 0) found.length = full;
    const last = found.at(-1)?.position ?? order.after;
    return {
      pipes: found.map(({ pipe }) => pipe),
      total: fitting.length,
      last,
      more: behind.length > found.length,
    };
  }

  countPipes({ state }: PipeFilter, after: number) {
    const fitting = this.rows.filter(({ pipe }) => state === undefined || pipe.state === state);
    return { total: fitting.length, left: fitting.filter(({ position }) => position > after).length };
  }
}

const idOf = (number: number): string => `gw${number}.aaaaaa`;

async function fleet(t: Owner, count: number) {
  return (await startFleet(t, count)).map((member) => {
    const listed = new Listed();
    const pipes = new FleetPipes(listed, member.fleet);
    return { ...member, listed, pipes, unserve: pipes.serve(member.courier) };
  });
}

const names = ({ pipes }: PipePage): string[] => pipes.map(({ id }) => id);

async function readAll(pipes: FleetPipes, query: PipeQuery, between: () => void = () => {}): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < 1000; pages += 1) {
    const page = await pipes.page({ ...query, cursor });
    seen.push(...names(page));
    if (page.next === null) return seen;
    cursor = page.next;
    between();
  }
  throw new Error('it has no end');
}

test('whatever comes and goes between pages, a pipe that stays is on exactly one of them, and none is on two', async () => {
  const run = async (seed: readonly number[], changes: readonly number[], limit: number): Promise<void> => {
    const ends: (() => unknown)[] = [];
    const gateways = await fleet({ after: (end) => void ends.push(end) }, seed.length);
    const staying: string[] = [];
    for (const [at, count] of seed.entries())
      for (let number = 0; number < count; number += 1) {
        const id = `p-${at}-${number}`;
        gateways[at]!.listed.add(id);
        if (number % 2 === 0) staying.push(id);
      }
    let step = 0;
    const seen = await readAll(gateways[0]!.pipes, { limit }, () => {
      const change = changes[step % changes.length] ?? 0;
      const { listed } = gateways[change % gateways.length]!;
      step += 1;
      if (change % 3 === 0 && step < 50) listed.add(`new-${step}`);
      const at = listed.rows.findIndex(({ pipe }) => !staying.includes(pipe.id));
      if (change % 3 !== 0 && at >= 0) listed.rows.splice(at, 1);
    });
    assert.equal(new Set(seen).size, seen.length, `twice: ${seen}`);
    assert.deepEqual(
      seen.filter((id) => staying.includes(id)),
      staying,
    );
    for (const end of ends) await end();
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(12), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(30), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 9 }),
      run,
    ),
    { numRuns: 60 },
  );
});

test('a page takes rows only from the gateways that have some on it, and all are counted with one message', async (t) => {
  const gateways = await fleet(t, 5);
  for (const [at, { listed }] of gateways.entries()) for (let n = 0; n < 10; n += 1) listed.add(`p-${at}-${n}`);
  const [asked] = gateways;
  const before = asked!.store.calls.publish ?? 0;
  const page = await asked!.pipes.page({ limit: 10, cursor: `${idOf(1)}:5` });
  assert.equal(page.total, 50);
  assert.deepEqual(names(page), [...[5, 6, 7, 8, 9].map((n) => `p-1-${n}`), ...[0, 1, 2, 3, 4].map((n) => `p-2-${n}`)]);
  assert.deepEqual(
    gateways.map(({ listed }) => listed.asked.length),
    [0, 1, 1, 0, 0],
  );
  assert.equal(asked!.store.calls.publish, before + 3);
});

test('rows that do not fit into one message come in several', async (t) => {
  const [asked, other] = await fleet(t, 2);
  const path = `/${'x'.repeat(50_000)}`;
  for (let n = 0; n < 20; n += 1) other!.listed.add(`p-${n}`, { path });
  other!.listed.add('big', { path: `/${'x'.repeat(60_000)}` });
  const page = await asked!.pipes.page({ limit: 1000 });
  assert.equal(page.pipes.length, 21);
  assert.deepEqual([page.partial, page.next], [false, null]);
  assert.ok(other!.listed.asked.length >= 4, `${other!.listed.asked.length} messages`);
});

test('filters are asked of every gateway', async (t) => {
  const [asked, other] = await fleet(t, 2);
  asked!.listed.add('a');
  asked!.listed.add('b', { state: 'detached' });
  other!.listed.add('c', { state: 'detached' });
  const page = await asked!.pipes.page({ state: 'detached' });
  assert.deepEqual([names(page), page.total], [['b', 'c'], 2]);
});

test('a gateway that lies about its rows is missing, and no page is asked for without end', async (t) => {
  const [asked, liar, honest] = await fleet(t, 3);
  honest!.listed.add('h');
  const row = { ...examplePipe };
  const lies = [
    { pipes: [], total: 5, last: 0, more: true },
    { pipes: [row], total: 5, last: 0, more: true },
    { pipes: Array.from({ length: 11 }, () => row), total: 11, last: 11, more: false },
    { pipes: [{ ...row, clientId: 7 }], total: 1, last: 1, more: false },
    { pipes: [{ ...row, secret: 'x' }], total: 1, last: 1, more: false },
  ];
  for (const lie of lies) {
    liar!.unserve();
    const stops = [
      liar!.courier.serve(countQuestion, () => ({ total: 5, left: 5 })),
      liar!.courier.serve(rowsQuestion, () => lie as never),
    ];
    const page = await asked!.pipes.page({ limit: 10 });
    assert.deepEqual([names(page), page.partial, page.missing], [['h'], true, [liar!.id]], JSON.stringify(lie));
    assert.deepEqual(await readAll(asked!.pipes, { limit: 1 }), ['h']);
    for (const stop of stops) stop();
  }
  // One that has fewer than it said is no liar: they have gone.
  liar!.courier.serve(countQuestion, () => ({ total: 5, left: 5 }));
  liar!.courier.serve(rowsQuestion, () => ({ pipes: [], total: 0, last: 0, more: false }));
  const page = await asked!.pipes.page({ limit: 3 });
  assert.deepEqual([names(page), page.partial, page.next], [[], false, `${liar!.id}:${Number.MAX_SAFE_INTEGER}`]);
  assert.deepEqual(await readAll(asked!.pipes, { limit: 3 }), ['h']);
});

test('a gateway that fails after it was counted is missing from its page, and the next page goes on behind it', async (t) => {
  const [asked, failing, last] = await fleet(t, 3);
  failing!.listed.add('f');
  last!.listed.add('l');
  failing!.listed.slicePipes = () => {
    throw Object.assign(new Error('no'), { code: 'HOLDFAST_ERR_GATEWAY_CLOSING', statusCode: 503 });
  };
  const page = await asked!.pipes.page({ limit: 1 });
  assert.deepEqual([names(page), page.partial, page.missing], [[], true, [failing!.id]]);
  assert.deepEqual(names(await asked!.pipes.page({ limit: 1, cursor: page.next! })), ['l']);
  await assert.rejects(asked!.pipes.page({ gateway: failing!.id }), { code: 'HOLDFAST_ERR_GATEWAY_CLOSING' });
});
