/**
 * The seam with @fastify/websocket and ws, all of it: after their handshake the raw socket is taken over and ws parses nothing
 * any more. ws keeps an object per client in websocketServer.clients, and the host's own closing calls close() on each, so the
 * methods of that object are turned to ours and its `close` event is emitted when the socket closes.
 */
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { closeCode } from '../wire/close-codes.ts';
import { shrinkListeners } from './compact-listeners.ts';
import type { AnsweringSocket } from './open-answers.ts';

const kOwner = Symbol('holdfast.owner');
const kTaken = Symbol('holdfast.taken');

/** What is used of the ws object; `_...` are its internals, all named here. */
export interface TakenWebSocket extends EventEmitter {
  close(code?: number, reason?: string | Buffer): void;
  terminate(): void;
  send(...args: unknown[]): void;
  ping(...args: unknown[]): void;
  pong(...args: unknown[]): void;
  _socket: Duplex | null;
  _receiver: unknown;
  _sender: unknown;
  _readyState: number;
  _extensions: object;
  _autoPongComplete: unknown;
  [kOwner]?: TakenOver | undefined;
}

// The same functions for all, so that a ws object costs no closures.
function close(this: TakenWebSocket, code?: number, reason?: string | Buffer): void {
  this[kOwner]?.close(code ?? closeCode.serviceRestart, String(reason ?? ''));
}
function terminate(this: TakenWebSocket): void {
  this[kOwner]?.terminate();
}
function socketClosed(this: UpgradedSocket): void {
  const ws = this[kTaken];
  if (ws === undefined) return;
  this[kTaken] = undefined;
  ws._readyState = wsClosed;
  ws.emit('close', closeCode.abnormal, Buffer.alloc(0));
  // Tables of ws that were made anew may have it for long: nothing of the pipe and the request hangs on it any more.
  ws.removeAllListeners();
  ws[kOwner] = undefined;
}
function refuse(): never {
  throw new Error('fastify-holdfast relays this WebSocket; send through the PipeManager');
}

/** What a host can still do through the ws object. */
export interface TakenOver {
  close(code: number, reason: string): void;
  terminate(): void;
}

type UpgradedSocket = AnsweringSocket & { [kTaken]?: TakenWebSocket | undefined };

const wsClosed = 3;
const noExtensions = Object.freeze({});
const wsListeners: readonly (readonly [event: string, name: string])[] = [
  ['close', 'socketOnClose'],
  ['data', 'socketOnData'],
  ['end', 'socketOnEnd'],
  ['error', 'socketOnError'],
];

/**
 * Takes the socket from `ws`. Must run in the same tick as the handshake, before any data event.
 * @throws Error if this version of ws is wired otherwise than the ones we know.
 */
export function takeOver(ws: TakenWebSocket): Duplex {
  const socket: UpgradedSocket | null = ws._socket;
  if (socket === null) throw new Error('the ws object has no socket');
  for (const [event, name] of wsListeners) {
    const listener = socket.listeners(event).find((candidate) => candidate.name === name);
    if (listener === undefined) throw new Error(`ws has no listener ${name}; this version of ws is not supported`);
    socket.off(event, listener as (...args: unknown[]) => void);
  }
  // Most of the memory of an idle pipe would be here: the parser, the sender, and a closure over request and reply.
  ws._receiver = null;
  ws._sender = null;
  ws._socket = null;
  ws._extensions = noExtensions;
  ws._autoPongComplete = null;
  ws.removeAllListeners('error');
  shrinkListeners(ws);
  ws.close = close;
  ws.terminate = terminate;
  ws.send = refuse;
  ws.ping = refuse;
  ws.pong = refuse;
  socket[kTaken] = ws;
  socket.on('close', socketClosed);
  return socket;
}

/** Calls of the ws object go there. */
export function ownedBy(ws: TakenWebSocket, owner: TakenOver): void {
  ws[kOwner] = owner;
}

export type UpgradeListener = (this: EventEmitter, request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** What registrations of @fastify/websocket answer the upgrades of this server with; two would both answer each. */
export function upgradeListeners(server: EventEmitter): UpgradeListener[] {
  return server.listeners('upgrade').filter(({ name }) => name === 'onUpgrade') as UpgradeListener[];
}

/** Lets go of the request and the response that made the upgrade; nothing refers to them through the socket afterwards. */
export function releaseUpgrade(request: IncomingMessage, socket: Duplex): void {
  const response = (socket as UpgradedSocket)._httpMessage;
  response?.detachSocket(socket as Parameters<ServerResponse['detachSocket']>[0]);
  for (const symbol of Object.getOwnPropertySymbols(request)) {
    if (symbol.description === 'ws-socket' || symbol.description === 'ws-head') Reflect.set(request, symbol, undefined);
  }
}
