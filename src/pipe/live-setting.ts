/** A group of settings that can be changed while the gateway runs, with a revision. */
import { RevisionStale } from '../errors.ts';

export interface Revised<T> {
  /** 1 at the start, higher with each change. */
  readonly revision: number;
  readonly settings: T;
}

export class LiveSetting<T> {
  #present: Revised<T>;

  constructor(start: T) {
    this.#present = { revision: 1, settings: start };
  }

  get present(): Revised<T> {
    return this.#present;
  }

  /**
   * @param merge makes the new settings; what it throws leaves everything as it was.
   * @param ifRevision the revision the change was made for.
   * @returns what was before.
   * @throws HOLDFAST_ERR_REVISION_STALE
   */
  change(merge: (before: T) => T, ifRevision?: number): Revised<T> {
    const before = this.#present;
    if (ifRevision !== undefined && ifRevision !== before.revision)
      throw new RevisionStale(String(ifRevision), before.revision);
    this.#present = { revision: before.revision + 1, settings: merge(before.settings) };
    return before;
  }

  /** As the gateways that share it have it. @returns what was before. */
  replace(settings: T, revision: number): Revised<T> {
    const before = this.#present;
    this.#present = { revision, settings };
    return before;
  }
}
