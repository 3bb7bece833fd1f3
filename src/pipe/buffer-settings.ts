/** The memory bounds: what can be set, and how a change is merged. Pure. */
import { type Static, Type } from 'typebox';
import { BufferInvalid } from '../errors.ts';

const MiB = 1024 * 1024;
const bytes = (value: number, description: string) =>
  Type.Integer({ default: value, minimum: 1024, maximum: 2 ** 40, description });

export const bufferProperties = {
  maxBytesPerPipe: bytes(5 * MiB, 'Most bytes kept of one client that no backend has acknowledged.'),
  maxTotalBytes: bytes(1024 * MiB, 'Most bytes kept of all clients together, on their way to backends.'),
  maxDownstreamBytes: bytes(MiB, 'Bytes read ahead from a backend for a slow client.'),
  onFull: Type.Enum(['close', 'pause'], {
    default: 'close' as string,
    description: 'At the bound with no backend there: close the client with 1013, or stop reading it and wait.',
  }),
};

const settings = Type.Object(bufferProperties, { additionalProperties: false });
export type BufferSettings = Readonly<Static<typeof settings>>;

/** What pipes look at with each message. */
export type PipeLimits = BufferSettings & { readonly maxMessageBytes: number };

/** What a PATCH may say; what is left out keeps its value. */
export const BufferPatch = Type.Partial(settings, { additionalProperties: false, minProperties: 1 });
export type BufferPatch = Static<typeof BufferPatch>;

/**
 * The settings after `patch` is laid over `before`.
 * @param maxMessageBytes the option, which is fixed when the gateway starts; null = it was not given, and follows the bound of a pipe.
 * @throws HOLDFAST_ERR_BUFFER where bounds contradict each other; the message names both keys.
 */
export function mergeBuffer(
  before: BufferSettings,
  patch: BufferPatch,
  maxMessageBytes: number | null,
): BufferSettings {
  const after = { ...before, ...patch };
  if (maxMessageBytes !== null && maxMessageBytes > largestMessage(after)) {
    throw new BufferInvalid(
      `maxMessageBytes (${maxMessageBytes}) is over half of buffer.maxBytesPerPipe (${after.maxBytesPerPipe}). Lower maxMessageBytes or raise buffer.maxBytesPerPipe.`,
    );
  }
  if (after.maxTotalBytes < after.maxBytesPerPipe) {
    throw new BufferInvalid(
      `buffer.maxTotalBytes (${after.maxTotalBytes}) is below buffer.maxBytesPerPipe (${after.maxBytesPerPipe}). Raise the first or lower the second.`,
    );
  }
  return Object.freeze(after);
}

/** @param maxMessageBytes as for `mergeBuffer`. */
export function pipeLimits(buffer: BufferSettings, maxMessageBytes: number | null): PipeLimits {
  return { ...buffer, maxMessageBytes: maxMessageBytes ?? largestMessage(buffer) };
}

/** Two of them have room in a pipe: one that waits for its acknowledgement, and the next. */
function largestMessage({ maxBytesPerPipe }: BufferSettings): number {
  return Math.floor(maxBytesPerPipe / 2);
}
