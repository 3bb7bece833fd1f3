import { Type } from 'typebox';
import { BufferPatch, bufferProperties } from '../../src/pipe/buffer-settings.ts';

const config = {
  revision: Type.Integer({ minimum: 0, description: 'Higher with each change; the same as the ETag.' }),
  ...bufferProperties,
};

export const BufferConfigSchema = Type.Object(config, {
  $id: 'BufferConfig',
  description: 'The memory bounds in effect.',
});

export const BufferChangedSchema = Type.Object(
  { ...config, pipes: Type.Integer({ minimum: 0, description: 'Live pipes that the bounds now hold for.' }) },
  { $id: 'BufferChanged', description: 'The memory bounds in effect from now on.' },
);

/** BufferPatch with the name and the examples it has in the API. */
export const BufferPatchSchema = Type.Object(BufferPatch.properties, {
  additionalProperties: false,
  minProperties: 1,
  $id: 'BufferPatch',
  description: 'What to change; what is left out stays.',
  examples: [{ maxBytesPerPipe: 10_485_760 }, { maxTotalBytes: 536_870_912, onFull: 'pause' }],
});

export const exampleBuffer = {
  revision: 2,
  maxBytesPerPipe: 10_485_760,
  maxTotalBytes: 1_073_741_824,
  maxDownstreamBytes: 1_048_576,
  onFull: 'close',
} as const;
