import { Type } from 'typebox';
import type { GatewayPage } from '../../src/gateways/views.ts';

const unknown = 'null = it speaks another version.';
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T, description: string) =>
  Type.Union([schema, Type.Null()], { description });

export const GatewayPageSchema = Type.Object(
  {
    gateways: Type.Array(
      Type.Object({
        id: Type.String({ description: 'New with each start: its name and 6 characters.' }),
        name: Type.String({ description: 'Option cluster.name.' }),
        address: Type.String({ description: 'Option cluster.address.' }),
        version: nullable(Type.String(), `Version of fastify-holdfast; ${unknown}`),
        startedAt: nullable(Type.String({ format: 'date-time' }), `ISO 8601; ${unknown}`),
        pipes: nullable(Type.Integer({ minimum: 0 }), `Live pipes; ${unknown}`),
        closing: Type.Boolean({ description: 'It takes no more clients.' }),
        ageMs: Type.Integer({ minimum: 0, description: 'Milliseconds since its last sign of life.' }),
        self: Type.Boolean({ description: 'It is the one that answers.' }),
      }),
    ),
    up: Type.Boolean({ description: 'False = the store does not answer: the list is the last that was known.' }),
    failure: nullable(Type.String(), 'Why it does not; null when it does.'),
  },
  { $id: 'GatewayPage', description: 'The gateways that share one pool.' },
);

export const exampleGateways: GatewayPage = {
  gateways: [
    {
      id: 'gw-1.x7Kq2p',
      name: 'gw-1',
      address: 'http://10.0.0.11:8080',
      version: '0.1.0',
      startedAt: '2026-11-01T06:00:00.000Z',
      pipes: 1840,
      closing: false,
      ageMs: 0,
      self: true,
    },
    {
      id: 'gw-2.Jd0_aZ',
      name: 'gw-2',
      address: 'http://10.0.0.12:8080',
      version: '0.1.0',
      startedAt: '2026-11-01T06:02:10.000Z',
      pipes: 1792,
      closing: false,
      ageMs: 420,
      self: false,
    },
  ],
  up: true,
  failure: null,
};
