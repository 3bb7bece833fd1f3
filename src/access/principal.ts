/** Who a client has been shown to be: what the host's `authenticate` says of it. */

export interface Principal {
  /** Only who shows the same id comes back to a pipe, or takes the place of one with the same client id. 1 to 256 characters. */
  readonly id: string;
  /** Whatever the host wants to know of it in its other hooks; never logged, never shown. */
  readonly [key: string]: unknown;
}

const maxIdLength = 256;

/**
 * What `authenticate` returned, as what it means.
 * @returns null = it may pass, and it is not said who it is; undefined = it may not.
 */
export function principalOf(answer: unknown): Principal | null | undefined {
  if (answer === true) return null;
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { id } = answer as { id?: unknown };
  return typeof id === 'string' && id.length > 0 && id.length <= maxIdLength ? (answer as Principal) : undefined;
}
