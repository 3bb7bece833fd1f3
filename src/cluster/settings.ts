/** What can be set for a gateway that is one of several. Pure. */
import { Type } from 'typebox';

export const clusterProperties = {
  name: Type.String({
    default: 'gateway',
    pattern: '^[A-Za-z0-9_-]{1,48}$',
    description:
      'Name of this gateway among others: 1 to 48 of A-Z a-z 0-9 _ -; its id is the name and 6 characters more.',
  }),
  address: Type.String({
    default: '',
    maxLength: 256,
    description: 'Where its HTTP can be reached, for who reads GET /gateways.',
  }),
  beatMs: Type.Integer({
    default: 1000,
    minimum: 100,
    maximum: 60_000,
    description: 'Milliseconds between two signs of life to the other gateways.',
  }),
  memberTtlMs: Type.Integer({
    default: 5000,
    minimum: 300,
    maximum: 600_000,
    description: 'A gateway that is silent for so long counts as gone; at least 3 x beatMs.',
  }),
  pollMs: Type.Integer({
    default: 10_000,
    minimum: 100,
    maximum: 3_600_000,
    description: 'How long a change may go unnoticed whose hint was lost.',
  }),
  maxHandoverBytes: Type.Integer({
    default: 2_097_152,
    minimum: 1024,
    maximum: 8_388_608,
    description: 'Most bytes of a pipe that goes to another gateway.',
  }),
};
