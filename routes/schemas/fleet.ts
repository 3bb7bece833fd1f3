/** What an answer says of the gateways it is from. */
import type { FastifyError } from 'fastify';
import { Type } from 'typebox';
import { GatewayNotFound, PeerFailed, PeerSilent, PeersBusy, StoreUnavailable } from '../../src/errors.ts';

/** Of a row. */
export const gatewayId = Type.String({ description: 'Id of the gateway, as in GET /gateways.' });

/** Of an answer of several gateways. */
export const completeness = {
  partial: Type.Optional(
    Type.Boolean({ description: 'True = a gateway was not heard, so there may be more. Only with several gateways.' }),
  ),
  missing: Type.Optional(
    Type.Array(Type.String(), {
      description: 'Gateways that did not answer in time, by id. Only with several gateways.',
    }),
  ),
};

/** Of a query. */
export const oneGateway = {
  gateway: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      description: 'Only of the gateway with this id; self = of the one that is asked. Default: of all.',
    }),
  ),
};

/** A query with nothing else. */
export const GatewayQuerySchema = Type.Object(oneGateway, { additionalProperties: false });
export const gatewayQueryExample = 'verbose is not a known key. Known here: gateway.';

const other = 'gw-2.Jd0_aZ';

/** What can be answered where something has to be asked of one other gateway. */
export function otherGateway(): FastifyError[] {
  return [
    new PeerFailed(other, 'its answer makes no sense'),
    new StoreUnavailable('it did not answer in time'),
    new PeersBusy(1000),
    new PeerSilent(other, 1000),
  ];
}

/** The same where the caller names it. */
export function namedGateway(): FastifyError[] {
  return [new GatewayNotFound(other), ...otherGateway()];
}
