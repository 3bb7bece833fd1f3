/** The store of several gateways, as the settings of the command say. */
import type { ClusterStore } from '../cluster/store.ts';
import { ConfigInvalid, type RedisSettings } from '../command-schema.ts';
import { readTls } from '../link/tls-files.ts';

/** The files of `redis.tls` are read once: a new certificate needs a new start. @throws ConfigInvalid */
export async function makeRedisStore({ tls, ...redis }: RedisSettings): Promise<ClusterStore> {
  const { servername, rejectUnauthorized = true, ...sources } = tls ?? {};
  const names = {
    ca: 'redis.tls.ca',
    cert: 'redis.tls.cert',
    key: 'redis.tls.key',
    passphrase: 'redis.tls.passphrase',
  };
  const { options } = readTls(sources, names);
  const secure = { ...options, rejectUnauthorized, ...(servername === undefined ? {} : { servername }) };
  try {
    const { redisStore } = await import('../cluster/redis/index.ts');
    return redisStore({ ...redis, ...(tls === undefined ? {} : { tls: secure }) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new ConfigInvalid('redis.url (HOLDFAST_REDIS_URL) needs the package redis: npm install redis.');
  }
}
