/** What can be set about TLS, on both sides of the gateway. Pure. */
import { type Static, Type } from 'typebox';

const strict = { additionalProperties: false } as const;
const pem = (description: string) =>
  Type.Optional(
    Type.String({ minLength: 1, description: `${description} The PEM text itself, or the path of a file.` }),
  );

/** Of connections that the gateway makes. */
const towards = (whose: string, whoAsk: string, description: string) =>
  Type.Object(
    {
      ca: pem(`Certificates of the authorities that may have signed ${whose}, in place of the usual ones.`),
      cert: pem(`Certificate the gateway shows to ${whoAsk} for one (mTLS), with its chain.`),
      key: pem('Private key of cert.'),
      passphrase: Type.Optional(Type.String({ minLength: 1, description: 'Opens key, where that is encrypted.' })),
      servername: Type.Optional(
        Type.String({
          pattern: '^[A-Za-z0-9]([A-Za-z0-9._-]{0,252})$',
          description: 'Name asked for (SNI) and looked for in the certificate, in place of the host of the url.',
        }),
      ),
      rejectUnauthorized: Type.Optional(
        Type.Boolean({
          default: true,
          description:
            'False = any certificate is taken: whoever can redirect the connection can read and change all of it.',
        }),
      ),
    },
    { ...strict, description },
  );

export const BackendTlsSchema = towards('those of the backends', 'backends that ask', 'TLS towards wss:// backends.');
export type BackendTlsSettings = Static<typeof BackendTlsSchema>;

export const RedisTlsSchema = towards('that of Redis', 'a Redis that asks', 'TLS towards a rediss:// url.');

/** A port of our own that speaks TLS. */
export const ListenerTlsSchema = Type.Object(
  {
    cert: Type.String({
      minLength: 1,
      description: 'Certificate of this server, with its chain. The PEM text itself, or the path of a file.',
    }),
    key: Type.String({
      minLength: 1,
      description: 'Private key of cert. The PEM text itself, or the path of a file.',
    }),
    passphrase: Type.Optional(Type.String({ minLength: 1, description: 'Opens key, where that is encrypted.' })),
    clientCa: pem('Only callers with a certificate signed by one of these authorities are let in.'),
  },
  { ...strict, description: 'TLS of the port that is listened on; left out = plain HTTP.' },
);
export type ListenerTlsSettings = Static<typeof ListenerTlsSchema>;
