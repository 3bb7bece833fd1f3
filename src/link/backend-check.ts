/**
 * Asks a backend once whether it is well, on a connection of its own, by the rules of every dial. The handshake is closed again in good
 * order; of an answer to a GET only the status is looked at.
 */
import type { Duplex } from 'node:stream';
import { closeCode, encodeClosePayload } from '../wire/close-codes.ts';
import { encodeFrame, opcode } from '../wire/frame.ts';
import { BackendRequest, type BackendTarget, type DialAttempt, type FailureHandler } from './backend-request.ts';
import { type DialError, type DialHandlers, type DialSuccess, dial } from './dial.ts';
import { describeStatus } from './dial-failure.ts';

export interface CheckHandlers extends FailureHandler {
  /** @param answer its status, with the usual words. */
  checkPassed(answer: string): void;
}

/**
 * Exactly one of the handlers is called, once and not before it returns, unless it is aborted.
 * @returns the attempt. After a handshake that passed its connection stays until the backend has answered our Close: `abort` ends that too.
 */
export type CheckFunction = (target: BackendTarget, handlers: CheckHandlers) => DialAttempt;

/** A backend can tell it from a client by these. */
const headers = { 'user-agent': 'holdfast', 'holdfast-reason': 'check' };

/** Read of what a backend sends behind its handshake, until it has answered our Close. */
const maxBytesBehind = 1_048_576;

/** Passes with 101; every other answer is a failure with its status. */
export const checkHandshake: CheckFunction = (target, handlers) => new HandshakeCheck(target, handlers);

/** Passes with 200 to 299; every other answer is a failure with its status. */
export const checkGet: CheckFunction = (target, handlers) => new GetCheck(target, headers, handlers);

class HandshakeCheck implements DialAttempt, DialHandlers {
  readonly #handlers: CheckHandlers;
  readonly #dial: DialAttempt;
  #socket: Duplex | null = null;

  constructor(target: BackendTarget, handlers: CheckHandlers) {
    this.#handlers = handlers;
    this.#dial = dial({ headers, protocols: [], ...target }, this);
  }

  dialed({ socket }: DialSuccess): void {
    this.#socket = socket;
    // What it sends is of no use. The server ends the TCP connection (RFC 6455 section 7.1.1), and so ours.
    let bytes = 0;
    socket.on('error', ignore).on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytesBehind) socket.destroy();
    });
    socket.write(encodeFrame(opcode.close, encodeClosePayload(closeCode.normal), true));
    this.#handlers.checkPassed(describeStatus(101).detail);
  }

  dialFailed(error: DialError): void {
    this.#handlers.dialFailed(error);
  }

  abort(): void {
    this.#dial.abort();
    this.#socket?.destroy();
  }

  timeOut(timeoutMs: number): void {
    this.#dial.timeOut(timeoutMs);
  }
}

class GetCheck extends BackendRequest<CheckHandlers> {
  protected upgraded(_response: unknown, socket: Duplex): void {
    socket.on('error', ignore).destroy();
    this.fail(describeStatus(101));
  }

  protected answered(statusCode: number): void {
    const error = describeStatus(statusCode);
    if (statusCode >= 200 && statusCode < 300) this.settle()?.checkPassed(error.detail);
    else this.fail(error);
  }
}

function ignore(): void {}
