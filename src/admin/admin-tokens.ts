/** The bearer tokens of the admin API, kept as digests; they can be replaced while the gateway runs. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Value } from 'typebox/value';
import { describeSchemaError } from '../schema-error.ts';
import { type AdminIdentity, type AdminToken, AdminTokenSchema, tokenPattern } from './settings.ts';

/** The message names the entry and never shows a token. */
export class TokensInvalid extends Error {
  override readonly name = 'TokensInvalid';
}

interface KnownToken extends AdminIdentity {
  readonly digest: Buffer;
}

const minTokenLength = 8;

export class AdminTokens {
  #tokens: readonly KnownToken[];

  /**
   * @param given at least one: `{ name, role: 'read' | 'write', token }`, `sha256` (hex) in place of `token`, or a string, which may write.
   * @param path what they are called in messages.
   * @throws TokensInvalid
   */
  constructor(given: readonly (string | AdminToken)[], path = 'admin.auth.tokens') {
    this.#tokens = readTokens(given, path);
  }

  /**
   * From now on these count, and no others.
   * @throws TokensInvalid; then nothing has changed.
   */
  replace(given: readonly (string | AdminToken)[], path = 'admin.auth.tokens'): void {
    this.#tokens = readTokens(given, path);
  }

  /** Who they are for. */
  get identities(): AdminIdentity[] {
    return this.#tokens.map(({ name, role }) => ({ name, role }));
  }

  /** Whose token this is. Digests are compared, all of them each time, so neither length nor place shows in the time it takes. */
  find(text: string): AdminIdentity | null {
    const digest = sha256(text);
    const [found] = this.#tokens.filter((token) => timingSafeEqual(token.digest, digest));
    return found === undefined ? null : { name: found.name, role: found.role };
  }
}

function readTokens(given: unknown, path: string): KnownToken[] {
  if (!Array.isArray(given) || given.length === 0) throw new TokensInvalid(`${path} is empty.`);
  const tokens = given.map((one: unknown, index) => readToken(one, `${path}[${index}]`, index));
  for (const [index, { name, digest }] of tokens.entries()) {
    const twin = tokens.findIndex((other) => other.name === name || other.digest.equals(digest));
    if (twin !== index) throw new TokensInvalid(`${path}[${index}] has the name or the token of ${path}[${twin}].`);
  }
  return tokens;
}

function readToken(given: unknown, path: string, index: number): KnownToken {
  if (typeof given === 'string')
    return { name: `token-${index + 1}`, role: 'write', digest: sha256(checked(given, path)) };
  if (typeof given !== 'object' || given === null)
    throw new TokensInvalid(`${path} is neither a string nor an object.`);
  if ('token' in given && typeof given.token === 'string') checked(given.token, `${path}.token`);
  if (!Value.Check(AdminTokenSchema, given))
    throw new TokensInvalid(`${path}: ${describeSchemaError(AdminTokenSchema, given)}`);
  const { name, role, token, sha256: hex } = given;
  if (token !== undefined && hex === undefined) return { name, role, digest: sha256(token) };
  if (token === undefined && hex !== undefined) return { name, role, digest: Buffer.from(hex, 'hex') };
  throw new TokensInvalid(`${path} needs either token or sha256.`);
}

function checked(token: string, path: string): string {
  if (token.length < minTokenLength)
    throw new TokensInvalid(`${path} has ${token.length} characters; at least ${minTokenLength} are needed.`);
  if (!new RegExp(tokenPattern).test(token))
    throw new TokensInvalid(`${path} has a space or a character that is not ASCII.`);
  return token;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
