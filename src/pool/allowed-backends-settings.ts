/** What may be a backend: the option `allowedBackends`. AllowedBackends judges by it. */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';

const list = (values: readonly string[], description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { default: [...values], minItems: 1, description });

export const AllowedBackendsOption = Type.Object(
  {
    schemes: Type.Array(Type.Enum(['ws', 'wss']), {
      default: ['ws', 'wss'],
      minItems: 1,
      description: 'Schemes a backend url may have: ws, wss.',
    }),
    hosts: list(
      ['*'],
      'What may stand as the host in a backend url: names, *.name for all below it, addresses, networks such as 10.0.0.0/8; * = anything.',
    ),
    addresses: list(
      ['0.0.0.0/0', '::/0'],
      'Addresses and networks that may be connected to, checked at each dial after the name was resolved.',
    ),
    exceptAddresses: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), {
      default: [],
      description: 'Addresses and networks that may not, although they are in addresses.',
    }),
    linkLocal: Type.Boolean({
      default: false,
      description:
        'Also link-local addresses, those of cloud metadata services, multicast and 0.0.0.0, which are refused otherwise.',
    }),
    ports: list(['1-65535'], 'Ports, such as 9000 or 9000-9100, as text.'),
  },
  {
    additionalProperties: false,
    default: {},
    description: 'What may be a backend.',
  },
);

export type AllowedBackendsSettings = Static<typeof AllowedBackendsOption>;

/** Everything but link-local and metadata addresses. */
export const defaultAllowedBackends = Value.Default(AllowedBackendsOption, {}) as AllowedBackendsSettings;
