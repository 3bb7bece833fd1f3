import { generate } from 'selfsigned';

export interface KeyPair {
  /** PEM. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

export interface TestCertificates {
  /** Trust `ca.cert` to trust all below but `stranger`. */
  readonly ca: KeyPair;
  /** For localhost and 127.0.0.1. */
  readonly server: KeyPair;
  readonly client: KeyPair;
  /** As `server`, over since yesterday. */
  readonly expired: KeyPair;
  /** As `server`, but for elsewhere.example. */
  readonly wrongName: KeyPair;
  /** For localhost, signed by itself. */
  readonly stranger: KeyPair;
}

const dayMs = 86_400_000;
let cached: Promise<TestCertificates> | undefined;

/** Made once in a process, with P-256 keys. */
export function certificates(): Promise<TestCertificates> {
  cached ??= makeCertificates();
  return cached;
}

/** Others, of another authority: what a renewal brings. */
export async function makeCertificates(authority = 'Holdfast Test CA'): Promise<TestCertificates> {
  const ca = await make(authority, [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ]);
  const [server, client, expired, wrongName, stranger] = await Promise.all([
    make('localhost', endEntity('serverAuth', 'localhost'), ca),
    make('Holdfast Test Client', endEntity('clientAuth', 'client.example'), ca),
    make('localhost', endEntity('serverAuth', 'localhost'), ca, -dayMs),
    make('elsewhere.example', endEntity('serverAuth', 'elsewhere.example'), ca),
    make('localhost', endEntity('serverAuth', 'localhost')),
  ]);
  return { ca, server, client, expired, wrongName, stranger };
}

type Extensions = NonNullable<NonNullable<Parameters<typeof generate>[1]>['extensions']>;

function endEntity(use: 'serverAuth' | 'clientAuth', name: string): Extensions {
  const own = { type: 2 as const, value: name };
  const altNames = name === 'localhost' ? [own, { type: 7 as const, ip: '127.0.0.1' }] : [own];
  return [
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, critical: true },
    use === 'serverAuth' ? { name: 'extKeyUsage', serverAuth: true } : { name: 'extKeyUsage', clientAuth: true },
    { name: 'subjectAltName', altNames },
  ];
}

async function make(commonName: string, extensions: Extensions, ca?: KeyPair, endsInMs = dayMs): Promise<KeyPair> {
  const made = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(Date.now() - 10 * dayMs),
    notAfterDate: new Date(Date.now() + endsInMs),
    extensions,
    ...(ca ? { ca } : {}),
  });
  return { cert: made.cert, key: made.private };
}
