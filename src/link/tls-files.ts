/** Certificates and keys, from PEM text or from files: read, checked, and named by their option when something is wrong with them. */
import { constants, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { OptionsInvalid } from '../errors.ts';
import { scrubPath } from '../observe/scrub.ts';

export interface TlsSources {
  /** PEM, or the path of a file with it. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly passphrase?: string | undefined;
}

export interface TlsMaterial {
  readonly options: SecureContextOptions;
  /** Made of the options; cheaper than making it anew for each connection. */
  readonly context: SecureContext;
  /** When our own certificate ends; null = there is none. */
  readonly validTo: Date | null;
}

const certificatePattern = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g;

const certificateBegin = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----/g;

/** A peer that renegotiates has us make a handshake each time, as often as it likes: TLS 1.3 knows no such thing, and nobody needs it. */
export const noRenegotiation = constants.SSL_OP_NO_RENEGOTIATION;

/** What the codes of OpenSSL mean for somebody who wrote a config file. */
const reasons: Readonly<Record<string, string>> = {
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: 'the certificate and the key do not belong together',
  ERR_OSSL_X509_KEY_TYPE_MISMATCH: 'the certificate and the key do not belong together',
  ERR_OSSL_BAD_DECRYPT: 'the key is encrypted, and the passphrase is missing or does not open it',
  ERR_OSSL_PEM_BAD_PASSWORD_READ: 'the key is encrypted, and the passphrase is missing',
  ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED: 'the key is encrypted, and the passphrase is missing',
  ERR_OSSL_UNSUPPORTED: 'the key cannot be read',
};

/**
 * Reads the files anew each time.
 * @param names the options as the user knows them, by what they stand for here: `{ cert: 'tls.cert', ... }`.
 * @throws HOLDFAST_ERR_OPTIONS with one line that names the option and, where it is one, the file; never what is in it.
 */
export function readTls(sources: TlsSources, names: Readonly<Record<keyof TlsSources, string>>): TlsMaterial {
  const { ca, cert, key, passphrase } = sources;
  if (cert !== undefined && key === undefined) throw new OptionsInvalid(`${names.cert} needs ${names.key} beside it.`);
  if (key !== undefined && cert === undefined) throw new OptionsInvalid(`${names.key} needs ${names.cert} beside it.`);
  const read = {
    secureOptions: noRenegotiation,
    ...(ca === undefined ? {} : { ca: certificates(ca, names.ca) }),
    ...(cert === undefined ? {} : { cert: pemOf(cert, names.cert) }),
    ...(key === undefined ? {} : { key: pemOf(key, names.key) }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
  const [own] = cert === undefined ? [] : certificates(cert, names.cert);
  try {
    const validTo = own === undefined ? null : new Date(new X509Certificate(own).validTo);
    return { options: read, context: createSecureContext(read), validTo };
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const reason = reasons[code] ?? `they cannot be used (${code || 'no code'})`;
    throw new OptionsInvalid(`${names.cert} (${shown(cert)}) and ${names.key} (${shown(key)}): ${reason}.`);
  }
}

/** The certificates in it, at least one. */
function certificates(source: string, name: string): string[] {
  const text = pemOf(source, name);
  const found = text.match(certificatePattern) ?? [];
  if (found.length === 0) throw new OptionsInvalid(`${name} (${shown(source)}) has no certificate in PEM in it.`);
  if (found.length < (text.match(certificateBegin) ?? []).length)
    throw new OptionsInvalid(`${name} (${shown(source)}) has a certificate in it that does not end.`);
  for (const one of found) {
    try {
      new X509Certificate(one);
    } catch {
      throw new OptionsInvalid(`${name} (${shown(source)}) has a certificate in it that cannot be read.`);
    }
  }
  return found;
}

function pemOf(source: string, name: string): string {
  if (isPem(source)) return source;
  try {
    return readFileSync(source, 'utf8');
  } catch (error) {
    throw new OptionsInvalid(
      `${name}: ${scrubPath(source)} cannot be read (${(error as NodeJS.ErrnoException).code}).`,
    );
  }
}

/** For a certificate that is to take the place of another. @throws HOLDFAST_ERR_OPTIONS where it has expired. */
export function checkValid(validTo: Date | null, name: string): void {
  if (validTo !== null && validTo.getTime() < Date.now())
    throw new OptionsInvalid(`${name} has expired, on ${validTo.toISOString()}.`);
}

function isPem(source: string): boolean {
  return source.includes('-----BEGIN ');
}

function shown(source: string | undefined): string {
  return source === undefined || isPem(source) ? 'given as PEM' : scrubPath(source);
}
