/** Whose word counts for where a request comes from. Pure. */
import { Type } from 'typebox';

/** As Fastify takes it; what is no address is found by AddressList. */
export const trustProxySchema = (description: string) =>
  Type.Union([Type.Boolean(), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })], {
    default: false,
    description,
  });
