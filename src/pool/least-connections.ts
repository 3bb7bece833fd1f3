/** The backend with the fewest connections per weight; of several, each with the same chance. */
import type { Backend } from './backend.ts';
import type { Balancer, BalancingContext } from './balancer.ts';
import { IndexedHeap } from './indexed-heap.ts';

/** Those of equal load. */
interface Bucket {
  load: number;
  readonly members: Backend[];
}

interface Place {
  bucket: Bucket;
  index: number;
}

/** Draws among those of a bucket before it is searched: more only helps where most of them are excluded. */
const draws = 8;

/** Load per weight with one pipe more; so that of idle backends the heavier is first, and one in slow start is not flooded. */
export function loadOf(backend: Backend, weight: number): number {
  return (backend.connections + 1) / weight;
}

export class LeastConnections implements Balancer {
  readonly #random: () => number;
  readonly #buckets = new Map<number, Bucket>();
  readonly #lightest = new IndexedHeap<Bucket>((a, b) => a.load < b.load);
  readonly #places = new Map<Backend, Place>();

  constructor(random: () => number) {
    this.#random = random;
  }

  add(backend: Backend, weight: number): void {
    const place = { bucket: this.#bucketOf(loadOf(backend, weight)), index: 0 };
    this.#places.set(backend, place);
    place.index = place.bucket.members.push(backend) - 1;
  }

  delete(backend: Backend): void {
    const place = this.#places.get(backend);
    if (place === undefined) return;
    this.#places.delete(backend);
    this.#leave(place);
  }

  changed(backend: Backend, weight: number): void {
    const place = this.#places.get(backend)!;
    const load = loadOf(backend, weight);
    const { bucket } = place;
    if (load === bucket.load) return;
    if (bucket.members.length === 1 && !this.#buckets.has(load)) {
      this.#reload(bucket, load);
      return;
    }
    this.#leave(place);
    place.bucket = this.#bucketOf(load);
    place.index = place.bucket.members.push(backend) - 1;
  }

  forget(backend: Backend): void {
    this.delete(backend);
  }

  pick({ exclude }: BalancingContext): Backend | null {
    const lightest = this.#lightest.first();
    if (lightest === undefined) return null;
    if (exclude === undefined) return this.#draw(lightest.members);
    const suits = ({ id }: Backend): boolean => !exclude.has(id);
    const bucket = this.#lightest.firstOf(({ members }) => members.some(suits));
    if (bucket === undefined) return null;
    for (let left = draws; left > 0; left -= 1) {
      const drawn = this.#draw(bucket.members);
      if (suits(drawn)) return drawn;
    }
    return this.#draw(bucket.members.filter(suits));
  }

  #draw(members: readonly Backend[]): Backend {
    return members[Math.floor(this.#random() * members.length)]!;
  }

  #bucketOf(load: number): Bucket {
    let bucket = this.#buckets.get(load);
    if (bucket === undefined) {
      bucket = { load, members: [] };
      this.#buckets.set(load, bucket);
      this.#lightest.add(bucket);
    }
    return bucket;
  }

  #reload(bucket: Bucket, load: number): void {
    this.#buckets.delete(bucket.load);
    bucket.load = load;
    this.#buckets.set(load, bucket);
    this.#lightest.moved(bucket);
  }

  #leave({ bucket, index }: Place): void {
    const { members } = bucket;
    const last = members.pop()!;
    if (index < members.length) {
      members[index] = last;
      this.#places.get(last)!.index = index;
    }
    if (members.length > 0) return;
    this.#buckets.delete(bucket.load);
    this.#lightest.delete(bucket);
  }
}
