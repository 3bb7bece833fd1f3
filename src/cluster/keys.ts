/**
 * Every key and channel of the store in one place: its name, how long it lives, how many bytes it may have. Who writes and who removes it
 * is in docs/SCALING.md. Where a name has a part in braces, the keys of one pipe lie on one server of a Redis Cluster.
 */
import { createHash } from 'node:crypto';

export interface KeyKind {
  readonly ttlMs: number;
  readonly maxBytes: number;
}

const day = 86_400_000;

/** Of the gateways as a whole: kept as long as anybody uses them (`touchMs` in SharedSnapshot), and 30 days longer. */
const lasting = 30 * day;
/** Of one owner, who touches them every third of it. While the owner is no member they count for nothing, whatever time is left. */
const claimed = 900_000;

export const keyKinds = {
  pool: { ttlMs: lasting, maxBytes: 1_048_576 },
  config: { ttlMs: lasting, maxBytes: 4096 },
  client: { ttlMs: claimed, maxBytes: 512 },
  pipe: { ttlMs: claimed, maxBytes: 1024 },
  /** ttlMs: at most; what is written has resume.windowMs. maxBytes: at most; cluster.maxHandoverBytes says less. */
  blob: { ttlMs: day, maxBytes: 8_388_608 },
} as const satisfies Record<string, KeyKind>;

export const poolKey = 'pool';
export type ConfigSection = 'heartbeat' | 'buffer';
export const configKey = (section: ConfigSection): string => `config:${section}`;

/** A client id may be anything, and somebody's name: only its hash is a key. */
export const clientKey = (clientId: string): string => `client:{${sha256(clientId)}}`;

const pipeIdPattern = /^[A-Za-z0-9_-]{1,64}$/;
/** @returns null for what a stranger calls a pipe, and no gateway ever did. */
export const pipeKey = (pipeId: string): string | null => (pipeIdPattern.test(pipeId) ? `pipe:{${pipeId}}` : null);
/** @param fence the revision of the pipe's record when it was fenced: what an earlier owner leaves behind has another name. */
export const blobKey = (pipeId: string, fence: number): string => `blob:{${pipeId}}:${fence}`;

/** Everybody listens: hints that something has changed. */
export const allChannel = 'all';
/** One gateway listens: requests to it, and answers to its own. */
export const gatewayChannel = (gatewayId: string): string => `to:${gatewayId}`;

/** What is stored of a secret: 43 characters of base64url. Enough for 32 random bytes; of no use for a password. */
export function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('base64url');
}

/**
 * The first revision of a record that nobody had: no number that a record of this name had before, also after the store has lost all it
 * had. Milliseconds since 1970 in the upper digits, chance in the lower; each change counts one up.
 */
export function firstRevision(now: number = Date.now(), random: () => number = Math.random): number {
  return now * 1000 + Math.floor(random() * 1000);
}

/**
 * The highest revision that is believed: above it nothing is a record. 142 years ahead of what first revisions are now, and it grows faster
 * than anybody changes a record: so whatever revision a stranger has written, it can be counted up.
 */
export function highestRevision(now: number = Date.now()): number {
  return now * 1000 + 2 ** 52;
}
