/** Who ends a helper: the `t` of a test or suite, or null when the caller ends it (see each helper's `dispose`). */
export interface Owner {
  after(fn: () => void | Promise<void>): void;
}
export type OptionalOwner = Owner | null;

export function endWith(owner: OptionalOwner, dispose: () => void | Promise<void>): void {
  owner?.after(dispose);
}
