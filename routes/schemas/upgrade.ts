/** The clients' route, by hand: @fastify/websocket hides it from generators, and OpenAPI has no word for what follows a 101. */
import type { FastifyError } from 'fastify';
import {
  AddressFull,
  BackendRefused,
  ClientIdInUse,
  ClientIdInvalid,
  ClientUnauthenticated,
  GatewayClosing,
  GatewayFull,
  HandshakeInvalid,
  HandshakesFromAddress,
  HooksTimeout,
  NoBackendInTime,
  OriginNotAllowed,
  TooManyHandshakes,
  UpgradeRequired,
} from '../../src/errors.ts';
import { answerFor, Internal } from '../error-answer.ts';

type Json = string | number | boolean | null | undefined | Json[] | { [key: string]: Json };

const retryAfter: Json = { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'string' } } };

const header = (name: string, required: boolean, description: string, example: string): Json => ({
  in: 'header',
  name,
  required,
  description,
  schema: { type: 'string' },
  example,
});

/** `path` with its parameters in braces; `elsewhere` = it is not below the server url of the document. */
export function describeUpgrade(path: string, elsewhere: boolean): { [path: string]: Json } {
  const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(
    ([, name = '']): Json => ({
      in: 'path',
      name,
      required: true,
      schema: { type: 'string', maxLength: 100 },
      example: 'alice',
    }),
  );
  return {
    [path]: {
      ...(elsewhere
        ? { servers: [{ url: '/', description: 'This gateway, without the prefix of the admin API.' }] }
        : {}),
      get: {
        operationId: 'connectClient',
        summary: 'Connect a WebSocket client',
        description:
          'The upgrade of RFC 6455. This path and all below it is served; what follows it, and the query string, go to the backend. The client stays connected while backends come and go. Every other method gets 405 with `Allow: GET`.',
        tags: ['clients'],
        security: [],
        parameters: [
          ...inPath,
          header('Upgrade', true, 'Always websocket.', 'websocket'),
          header('Sec-WebSocket-Version', true, 'Always 13.', '13'),
          header('Sec-WebSocket-Key', true, '16 random bytes in base64.', 'dGhlIHNhbXBsZSBub25jZQ=='),
          header('Sec-WebSocket-Protocol', false, 'Subprotocols the client speaks, in order.', 'graphql-transport-ws'),
        ],
        responses: {
          101: {
            description: 'The connection speaks WebSocket from here on.',
            headers: {
              'Sec-WebSocket-Accept': { description: 'Proof of the handshake.', schema: { type: 'string' } },
              'Sec-WebSocket-Protocol': {
                description: 'The subprotocol the backend chose, if any.',
                schema: { type: 'string' },
              },
            },
          },
          400: refusal('The handshake or the client id is not valid.', [
            new HandshakeInvalid('Sec-WebSocket-Key is missing'),
            new ClientIdInvalid('it is empty'),
          ]),
          401: refusal('It is not known who the client is (authenticate).', [new ClientUnauthenticated()]),
          403: refusal('Pages of this origin may not connect (allowedOrigins), or the backend refused this client.', [
            new OriginNotAllowed(),
            refusedWith(403),
          ]),
          404: refusal('The backend has nothing at this path.', [refusedWith(404)]),
          409: refusal('A client with this id is connected.', [new ClientIdInUse('alice')]),
          426: refusal('The request is not an upgrade.', [new UpgradeRequired()]),
          429: {
            ...refusal('Too many clients, or too many upgrades a second, from this address.', [
              new AddressFull(1000),
              new HandshakesFromAddress(),
            ]),
            headers: retryAfter,
          },
          '4XX': refusal('Any other 4xx of a backend but 408 and 429, after which the next one is asked.', [
            refusedWith(410),
          ]),
          500: refusal('A function of the host failed, or the gateway did; its log says more.', [new Internal()]),
          503: {
            ...refusal('No room, no backend in time, or the gateway is shutting down.', [
              new GatewayFull(100_000),
              new TooManyHandshakes(),
              new HooksTimeout(5000),
              new NoBackendInTime(2000),
              new GatewayClosing(),
            ]),
            headers: retryAfter,
          },
        },
      },
    },
  };
}

/** The client gets the status that the backend answered. */
function refusedWith(status: number): FastifyError {
  return Object.assign(new BackendRefused(status), { statusCode: status });
}

function refusal(description: string, errors: readonly FastifyError[]): { [key: string]: Json } {
  const examples = Object.fromEntries(errors.map((error) => [error.code, { value: { ...answerFor(error) } }]));
  return {
    description,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' }, examples } },
  };
}
