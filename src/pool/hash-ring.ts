/**
 * A client gets the same backend as long as that is there. Each backend has points on a ring, as many as its weight says, at places that
 * follow from its address; a client has one place, and the next point from there on is its backend's. A backend that goes takes only its own
 * clients along, one that comes takes only its share (https://en.wikipedia.org/wiki/Consistent_hashing). Gateways with the same backends agree.
 */
import type { Backend } from './backend.ts';
import type { Balancer, BalancingContext } from './balancer.ts';
import { hash32, mix32 } from './hash.ts';

/** Points of a backend of weight 1: shares are even to about 1 / sqrt(256). */
const pointsPerWeight = 256;
/** Most points on the ring; with more, all backends have half as many, or a quarter ... */
const maxPoints = 2 ** 19;
/** Points passed by before those that are left are asked one by one: only when nearly all backends are full, ejected or excluded. */
const maxSteps = 64;

interface Member {
  readonly backend: Backend;
  readonly index: number;
  /** Backend.weight when its points were made. */
  readonly weight: number;
  /** Its points, ascending. */
  points: Float64Array;
  /** That counts always, so that each has one. */
  firstPoint: number;
  /** Of its points that count: less than 1 in slow start. */
  share: number;
  candidate: boolean;
}

/** A point is a number: 32 bits of place on the ring, and in the lower 20 the index of its member. */
const indexes = 2 ** 20;
const wholeRing = 2 ** 32 * indexes;
const noPoints = new Float64Array(0);

export class HashRing implements Balancer {
  readonly #members = new Map<Backend, Member>();
  readonly #byIndex: (Member | undefined)[] = [];
  readonly #candidates = new Set<Member>();
  /** The points of all members, ascending, but for those who came or went since it was made. */
  #ring: Float64Array = noPoints;
  #came: Member[] = [];
  /** Indexes that the ring may still name; free when it does not. */
  readonly #gone = new Set<number>();
  readonly #free: number[] = [];
  #weights = 0;
  /** By which the points of all are fewer, a power of two. */
  #divisor = 1;

  add(backend: Backend, weight: number): void {
    const member = this.#memberOf(backend);
    member.share = weight / member.weight;
    member.candidate = true;
    this.#candidates.add(member);
  }

  delete(backend: Backend): void {
    const member = this.#members.get(backend);
    if (member === undefined) return;
    member.candidate = false;
    this.#candidates.delete(member);
  }

  changed(backend: Backend, weight: number): void {
    const member = this.#members.get(backend)!;
    if (member.weight === backend.weight) {
      member.share = weight / member.weight;
      return;
    }
    this.forget(backend);
    this.add(backend, weight);
  }

  forget(backend: Backend): void {
    const member = this.#members.get(backend);
    if (member === undefined) return;
    this.delete(backend);
    this.#members.delete(backend);
    this.#weights -= member.weight;
    this.#gone.add(member.index);
    this.#byIndex[member.index] = undefined;
  }

  pick({ clientId, exclude }: BalancingContext): Backend | null {
    if (this.#candidates.size === 0) return null;
    this.#refresh();
    const ring = this.#ring;
    const place = hash32(clientId) * indexes;
    let at = firstFrom(ring, place);
    for (let steps = Math.min(maxSteps, ring.length); steps > 0; steps -= 1) {
      if (at === ring.length) at = 0;
      const point = ring[at]!;
      const member = this.#byIndex[point % indexes]!;
      if (member.candidate && counts(member, point) && exclude?.has(member.backend.id) !== true) return member.backend;
      at += 1;
    }
    return this.#nearest(place, exclude);
  }

  /** What the walk along the ring would find in the end. */
  #nearest(place: number, exclude: BalancingContext['exclude']): Backend | null {
    let nearest: Backend | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const member of this.#candidates) {
      if (exclude?.has(member.backend.id) === true) continue;
      const { points } = member;
      let at = firstFrom(points, place) % points.length;
      while (!counts(member, points[at]!)) at = (at + 1) % points.length;
      const distance = (points[at]! - place + wholeRing) % wholeRing;
      if (distance >= least) continue;
      least = distance;
      nearest = member.backend;
    }
    return nearest;
  }

  #memberOf(backend: Backend): Member {
    let member = this.#members.get(backend);
    if (member !== undefined && member.weight !== backend.weight) {
      this.forget(backend);
      member = undefined;
    }
    if (member !== undefined) return member;
    const { weight } = backend;
    const index = this.#free.pop() ?? this.#byIndex.length;
    member = { backend, index, weight, points: noPoints, firstPoint: 0, share: 1, candidate: false };
    this.#members.set(backend, member);
    this.#byIndex[index] = member;
    this.#came.push(member);
    this.#weights += weight;
    return member;
  }

  #refresh(): void {
    if (this.#came.length === 0 && this.#gone.size === 0) return;
    let divisor = 1;
    while ((this.#weights * pointsPerWeight) / divisor > maxPoints) divisor *= 2;
    let kept = this.#ring;
    if (divisor !== this.#divisor) {
      this.#divisor = divisor;
      this.#came = [...this.#members.values()];
      kept = noPoints;
    } else if (this.#gone.size > 0) {
      kept = kept.filter((point) => !this.#gone.has(point % indexes));
    }
    this.#free.push(...this.#gone);
    this.#gone.clear();
    const fresh: Float64Array[] = [];
    for (const member of this.#came) {
      // It may have left again.
      if (this.#members.get(member.backend) !== member) continue;
      makePoints(member, Math.max(1, Math.round((member.weight * pointsPerWeight) / divisor)));
      fresh.push(member.points);
    }
    this.#came = [];
    this.#ring = merged(kept, joined(fresh));
  }
}

/** The first so many of the places that follow from its address: with fewer points, those that stay are where they were. */
function makePoints(member: Member, count: number): void {
  const points = new Float64Array(count);
  const { hashSeed } = member.backend;
  for (let n = 0; n < count; n += 1) points[n] = mix32(hashSeed + Math.imul(n, 0x9e3779b9)) * indexes + member.index;
  member.firstPoint = points[0]!;
  member.points = points.sort();
}

/** Whether a point counts while only a share of them does: always the same ones, more and more of them. */
function counts(member: Member, point: number): boolean {
  if (member.share >= 1 || point === member.firstPoint) return true;
  return mix32((point / indexes) | 0) / 2 ** 32 < member.share;
}

/** Index of the first point at `place` or behind it; the length if there is none. */
function firstFrom(points: Float64Array, place: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle]! < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

function joined(parts: readonly Float64Array[]): Float64Array {
  if (parts.length === 1) return parts[0]!;
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.sort();
}

/** Of two ascending ones. */
function merged(a: Float64Array, b: Float64Array): Float64Array {
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  const all = new Float64Array(a.length + b.length);
  let fromA = 0;
  let fromB = 0;
  for (let at = 0; at < all.length; at += 1) {
    if (fromB === b.length || (fromA < a.length && a[fromA]! <= b[fromB]!)) all[at] = a[fromA++]!;
    else all[at] = b[fromB++]!;
  }
  return all;
}
