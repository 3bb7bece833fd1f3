import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IndexedHeap } from '../../src/pool/indexed-heap.ts';

interface Item {
  rank: number;
}

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('add' as const), rank: fc.nat({ max: 30 }) }),
    fc.record({ do: fc.constant('delete' as const), which: fc.nat({ max: 40 }) }),
    fc.record({ do: fc.constant('move' as const), which: fc.nat({ max: 40 }), rank: fc.nat({ max: 30 }) }),
  ),
  { minLength: 10, maxLength: 120, size: 'max' },
);

test('the first is the lowest of all, and of those that are accepted, whatever was added, removed and moved', () => {
  fc.assert(
    fc.property(steps, (actions) => {
      const heap = new IndexedHeap<Item>((a, b) => a.rank < b.rank);
      const items: Item[] = [];
      const lowest = (of: readonly Item[]): number | undefined => of.map(({ rank }) => rank).sort((a, b) => a - b)[0];
      for (const action of actions) {
        if (action.do === 'add') {
          const item = { rank: action.rank };
          items.push(item);
          heap.add(item);
        } else if (action.do === 'delete') {
          const [item] = items.splice(action.which % Math.max(1, items.length), 1);
          assert.equal(heap.delete(item ?? { rank: 0 }), item !== undefined);
        } else {
          const item = items[action.which % Math.max(1, items.length)];
          if (item === undefined) continue;
          item.rank = action.rank;
          heap.moved(item);
        }
        assert.equal(heap.size, items.length);
        assert.equal(heap.first()?.rank, lowest(items));
        const accept = ({ rank }: Item): boolean => rank % 3 === 1 || rank > 20;
        assert.equal(heap.firstOf(accept)?.rank, lowest(items.filter(accept)));
      }
      for (const rank of items.map((item) => item.rank).sort((a, b) => a - b)) {
        const first = heap.first()!;
        assert.equal(first.rank, rank);
        heap.delete(first);
      }
      assert.equal(heap.first(), undefined);
    }),
    { numRuns: 300 },
  );
});
