/**
 * `fastify-holdfast/redis`: the store for gateways on several machines. Needs the package `redis`, 5.8 or newer.
 *
 *     app.register(holdfast, { cluster: { store: redisStore({ url: 'rediss://gateway:secret@redis.internal:6379' }) } })
 */
import type { ConnectionOptions } from 'node:tls';
import { createClient } from 'redis';
import { OptionsInvalid } from '../../errors.ts';
import type { ClusterStore } from '../store.ts';
import type { RedisClient } from './redis-client.ts';
import { RedisStore } from './redis-store.ts';

export interface RedisStoreOptions {
  /** `redis://` or `rediss://` (TLS), with user, password and database if needed. Default redis://127.0.0.1:6379. */
  readonly url?: string;
  /** User and password of an ACL, over those of the url. */
  readonly username?: string;
  readonly password?: string;
  /** For rediss://: own CA, client certificate, as in node:tls connect(). */
  readonly tls?: Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'servername' | 'rejectUnauthorized'>;
  /**
   * A connected client of the package `redis` (createClient, createCluster, createSentinel) in place of all above. It stays yours: you
   * connect it, hear its 'error' events and end it. A second one for what is published is made from it by duplicate().
   */
  readonly client?: { duplicate(): unknown; withCommandOptions(options: never): unknown };
  /** Before every key and channel; gateways with the same prefix belong together. Default 'holdfast:'. */
  readonly prefix?: string;
  /** Longest wait for an answer, milliseconds, 50 to 60,000. Default 1,000. */
  readonly timeoutMs?: number;
}

/** Longest pause between two attempts to connect, milliseconds. */
const maxPauseMs = 1000;

/**
 * Connects in the background and keeps on trying: a gateway also starts without its Redis.
 * @throws HOLDFAST_ERR_OPTIONS
 */
export function redisStore(options: RedisStoreOptions = {}): ClusterStore {
  const { prefix = 'holdfast:', timeoutMs = 1000 } = options;
  if (!/^[\x21-\x7e]{1,64}$/.test(prefix))
    throw new OptionsInvalid('redis.prefix must be 1 to 64 printable characters.');
  if (!Number.isInteger(timeoutMs) || timeoutMs < 50 || timeoutMs > 60_000)
    throw new OptionsInvalid(`redis.timeoutMs (${timeoutMs}) must be a whole number from 50 to 60000.`);
  const { client } = options;
  if (client !== undefined) {
    const given = client as RedisClient;
    const makeSubscriber = (): RedisClient => given.duplicate() as RedisClient;
    return new RedisStore({ prefix, timeoutMs, owned: false, makeClient: () => given, makeSubscriber });
  }
  const make = clientMaker(options, timeoutMs);
  return new RedisStore({ prefix, timeoutMs, owned: true, makeClient: make, makeSubscriber: make });
}

function clientMaker(options: RedisStoreOptions, timeoutMs: number): () => RedisClient {
  const { url = 'redis://127.0.0.1:6379', tls = {} } = options;
  const parsed = URL.canParse(url) ? new URL(url) : null;
  // The url is not repeated: it may have a password in it.
  if (parsed === null || !['redis:', 'rediss:'].includes(parsed.protocol) || !/^\/?\d*$/.test(parsed.pathname))
    throw new OptionsInvalid('redis.url must be redis://host:port or rediss://host:port, with a number as database.');
  const secure = parsed.protocol === 'rediss:';
  if (!secure && options.tls !== undefined)
    throw new OptionsInvalid(
      'redis.tls is set, but redis.url begins with redis://. Make it rediss://, or leave tls out.',
    );
  const { username, password } = options;
  const decoded = { username: decode(parsed.username), password: decode(parsed.password) };
  return () =>
    createClient({
      socket: {
        host: parsed.hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1',
        port: Number(parsed.port || 6379),
        connectTimeout: 2 * timeoutMs,
        // Of no use once it is open, where our own writes count as a sign of life; ends a handshake that nobody answers.
        socketTimeout: 5 * timeoutMs,
        reconnectStrategy: (retries) =>
          Math.round(Math.random() * Math.min(maxPauseMs, 50 * 2 ** Math.min(retries, 10))),
        ...(secure ? { tls: true as const, ...tls } : {}),
      },
      ...dropEmpty({ username: username ?? decoded.username, password: password ?? decoded.password }),
      ...(parsed.pathname.length > 1 ? { database: Number(parsed.pathname.slice(1)) } : {}),
      name: 'holdfast',
      disableOfflineQueue: true,
      // For servers that have it a connection would be moved by their word.
      maintNotifications: 'disabled',
    }) as unknown as RedisClient;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new OptionsInvalid('redis.url has a % in its user or password that is not followed by two hex digits.');
  }
}

function dropEmpty(given: { username: string; password: string }): { username?: string; password?: string } {
  const { username, password } = given;
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}
