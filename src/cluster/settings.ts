/** What can be set for a gateway that is one of several. Pure. */
import { Type } from 'typebox';

/** What the command needs to make the store of several gateways. */
export const redisProperties = {
  url: Type.String({
    minLength: 1,
    description:
      'redis:// or rediss:// (TLS) address of the store that several gateways share, with user, password and database if needed.',
  }),
  username: Type.Optional(Type.String({ minLength: 1, description: 'User of an ACL, over that of the url.' })),
  password: Type.Optional(Type.String({ minLength: 1, description: 'Password, over that of the url.' })),
  prefix: Type.Optional(
    Type.String({
      pattern: '^[\\x21-\\x7e]{1,64}$',
      default: 'holdfast:',
      description: 'Before every key and channel; gateways with the same prefix belong together.',
    }),
  ),
  timeoutMs: Type.Optional(
    Type.Integer({ minimum: 50, maximum: 60_000, default: 1000, description: 'Longest wait for an answer.' }),
  ),
};

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
