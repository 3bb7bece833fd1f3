/**
 * How a pipe can end of which no end has said how: what its client is told, what `pipe.closed` says of it, and whether what the client sent
 * is still brought to a backend.
 */
import type { CloseReason, Initiator } from '../observe/vocabulary.ts';
import { type ClosePayload, closeCode } from '../wire/close-codes.ts';

export interface CloseOrder {
  /** Told to the client; 1005 = an empty Close. */
  readonly code: number;
  readonly text?: string;
  readonly reason: CloseReason;
  readonly initiator: Initiator;
  /** Told to the backend. Default 1001 without a reason. */
  readonly backend?: ClosePayload;
  /** Bring what is in the journal to a backend first, at most for closing.lingerMs. Default true. */
  readonly deliver?: boolean;
}

/** Told to a backend that has nothing to do with the end. */
export const goingAway: ClosePayload = { code: closeCode.goingAway, reason: '' };

export const closeOrders = {
  lost: { code: closeCode.abnormal, reason: 'lost', initiator: 'client' },
  windowOver: { code: closeCode.abnormal, reason: 'resume-window-over', initiator: 'client' },
  /** The client left before its upgrade was done: the pipe never opened, and pipe.closed is not told of it. */
  abandoned: { code: closeCode.abnormal, reason: 'lost', initiator: 'client', deliver: false },

  bufferFull: {
    code: closeCode.tryAgainLater,
    text: 'no backend, and the buffer is full',
    reason: 'buffer-full',
    initiator: 'gateway',
    deliver: false,
  },
  /** What has come of a message is thrown away, and what can be delivered is, so that others have the memory. */
  tooLittleMemory: {
    code: closeCode.tryAgainLater,
    text: 'too little memory',
    reason: 'buffer-full',
    initiator: 'gateway',
  },
  interruptedTooLong: (maxInterruptionMs: number) => ({
    code: closeCode.tryAgainLater,
    text: `no backend for ${maxInterruptionMs} ms`,
    reason: 'interruption-too-long',
    initiator: 'gateway',
    deliver: false,
  }),
  refusedByBackend: (statusCode: number) => ({
    code: closeCode.policyViolation,
    text: `refused by the backend with status ${statusCode}`,
    reason: 'refused-by-backend',
    initiator: 'backend',
    deliver: false,
  }),
  poisoned: (links: number) => ({
    code: closeCode.internalError,
    text: `${links} backends in a row failed with the same message`,
    reason: 'poison',
    initiator: 'gateway',
    deliver: false,
  }),

  /** A newer client has its id now. */
  replaced: {
    code: closeCode.replaced,
    text: 'replaced by a newer connection',
    reason: 'replaced',
    initiator: 'gateway',
  },
  /** Another gateway has it, or will have it. */
  moved: (code: number, text: string) => ({ code, text, reason: 'moved', initiator: 'gateway', deliver: false }),
  tooMuchToHandOver: (code: number, maxBytes: number) => ({
    code,
    text: `more than ${maxBytes} bytes for the client`,
    reason: 'hand-over-failed',
    initiator: 'gateway',
    deliver: false,
  }),
  operator: (code: number = closeCode.normal, text = 'closed by the operator') => ({
    code,
    text,
    reason: 'operator',
    initiator: 'gateway',
  }),
  /** The gateway ends. */
  shutdown: {
    code: closeCode.serviceRestart,
    text: 'the gateway is restarting',
    reason: 'shutdown',
    initiator: 'gateway',
  },
} as const satisfies Readonly<Record<string, CloseOrder | ((...told: never[]) => CloseOrder)>>;
