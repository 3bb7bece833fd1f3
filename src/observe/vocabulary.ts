/**
 * The words that events, metrics, statistics and answers choose from: each list once. Types, labels and schemas are made of these.
 */

/** Of a pipe that is there: a closed one is not. */
export const livePipeStates = [
  'connecting',
  'open',
  'interrupted',
  'migrating',
  'detached',
  'moving',
  'closing',
] as const;
export type LivePipeState = (typeof livePipeStates)[number];
export const pipeStates = [...livePipeStates, 'closed'] as const;
export type PipeState = (typeof pipeStates)[number];

/** The verdict of the health checks where there are any; else of the last try: unknown = not tried yet, unhealthy = it failed. */
export const healthStates = ['unknown', 'healthy', 'unhealthy'] as const;
export type Health = (typeof healthStates)[number];

/** Why a pipe gets a backend. */
export type AttachReason = 'open' | 'failover' | 'migrate';

/** Why a pipe lost its backend link, or never got it. */
export const interruptionReasons = [
  'lost',
  'closed',
  'protocol-error',
  'heartbeat-timeout',
  'no-progress',
  'no-pong',
  'operator',
  'drain',
  'removed',
  /** It came from another gateway, which has left its backend. */
  'moved',
] as const;
export type InterruptionReason = (typeof interruptionReasons)[number];

export type Initiator = 'client' | 'backend' | 'gateway';
/** Why a pipe was closed by the gateway itself, or 'closed'/'lost' when an end closed or vanished; and who can close for it. */
export const closers = {
  closed: ['client', 'backend'],
  lost: ['client'],
  'refused-by-backend': ['backend'],
  'buffer-full': ['gateway'],
  'interruption-too-long': ['gateway'],
  poison: ['gateway'],
  'protocol-error': ['gateway'],
  'message-too-big': ['gateway'],
  'limit-exceeded': ['gateway'],
  'heartbeat-timeout': ['gateway'],
  'no-progress': ['gateway'],
  replaced: ['gateway'],
  operator: ['gateway'],
  shutdown: ['gateway'],
  'resume-window-over': ['client'],
  /** Another gateway has it, or will have it when its client comes. */
  moved: ['gateway'],
  /** It was to go to another gateway, and what was to be taken along did not fit. */
  'hand-over-failed': ['gateway'],
} as const satisfies Readonly<Record<string, readonly Initiator[]>>;
export type CloseReason = keyof typeof closers;

/** Why the client of a resumable pipe is away. */
export const detachReasons = ['lost', 'heartbeat-timeout', 'no-progress', 'replaced'] as const;
export type DetachReason = (typeof detachReasons)[number];

/** Why a client did not get its pipe again. */
export const resumeRefusals = [
  'unknown',
  'token',
  /** A later start of the same client was there first. */
  'superseded',
  'counts',
  /** The gateway that had it has ended without a word. */
  'gateway-gone',
  /** The gateway that had it could not hand it over. */
  'hand-over-failed',
] as const;
export type ResumeRefusal = (typeof resumeRefusals)[number];

/** Why a pipe goes to another backend that has no fault. */
export const migrationCauses = ['drain', 'rebalance'] as const;
export type MigrationCause = (typeof migrationCauses)[number];

export const dialFailures = [
  'refused',
  'timeout',
  'status',
  'bad-handshake',
  'subprotocol',
  'aborted',
  'blocked',
  'attach-hook',
  /** It took the connection and ended it before onAttach was done. */
  'lost',
  'tls',
] as const;
export type DialFailure = (typeof dialFailures)[number];

/** How a lookup of discovery.dns ended; partial = some questions had no answer. */
export const lookupResults = ['ok', 'empty', 'partial', 'failed'] as const;
export type LookupResult = (typeof lookupResults)[number];

/** Sections of the configuration that can be changed while running. */
export const tunedSections = ['heartbeat', 'buffer'] as const;
export type TunedSection = (typeof tunedSections)[number];
