/** Every key of the `holdfast` command's config file, in one schema. */
import { type Static, Type } from 'typebox';
import { ListenerTlsSchema } from './link/tls-settings.ts';
import { HoldfastOptionsSchema } from './options.ts';

const strict = { additionalProperties: false } as const;
export const tokenPattern = '^[!-~]{8,}$';

/** Every key of the config file: the options of the plugin, and what only the command has. */
export const CommandSchema = Type.Object(
  {
    ...HoldfastOptionsSchema.properties,
    host: Type.String({ default: '127.0.0.1', minLength: 1, description: 'Address to listen on; 0.0.0.0 = all.' }),
    port: Type.Integer({ default: 8080, minimum: 0, maximum: 65_535, description: 'Port; 0 = any that is free.' }),
    logLevel: Type.Enum(['info', 'fatal', 'error', 'warn', 'debug', 'trace', 'silent'], {
      default: 'info',
      description: 'Least level that is logged; trace has every heartbeat.',
    }),
    tls: Type.Optional(ListenerTlsSchema),
    admin: Type.Object(
      {
        prefix: Type.String({
          default: '',
          pattern: '^(/[\\w.~-]+)*/?$',
          description: 'Put before every admin route, for instance /admin.',
        }),
        tokens: Type.Optional(
          Type.Array(Type.String({ pattern: tokenPattern }), {
            description: 'Bearer tokens, at least 8 characters each; left out: one is made up and printed.',
          }),
        ),
        publicMetrics: Type.Boolean({ default: false, description: 'GET /metrics asks for no token.' }),
      },
      { ...strict, default: {}, description: 'The admin REST API.' },
    ),
  },
  strict,
);
export type CommandKeys = Static<typeof CommandSchema>;

/** The message is one line that names the key or the file. */
export class ConfigInvalid extends Error {
  override readonly name = 'ConfigInvalid';
}
