/**
 * A pipe on its way from one gateway to another, as bytes: the length of what follows as JSON, that JSON, and the frames for the client.
 * Whatever is read may have been written by anybody: frames are looked through before a client gets them.
 */
import { type Static, Type } from 'typebox';
import { decodeJson } from '../cluster/records.ts';
import type { HandedOver } from '../pipe/hand-over.ts';
import type { Run } from '../pipe/journal.ts';
import { mostSpent } from '../pipe/resume-session.ts';
import { countMessages } from '../wire/messages.ts';

/** Most bytes of the JSON. */
const maxHeaderBytes = 65_536;
const lengthBytes = 4;

const closed = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const nullable = (maxLength: number) => Type.Union([Type.String({ maxLength }), Type.Null()]);
const hash = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });
/** What was sent to the client, and what was not. */
const maxRuns = 2;

const Header = Type.Object(
  {
    v: Type.Literal(1),
    pipe: Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' }),
    client: Type.String({ maxLength: 4096 }),
    openedAt: count,
    protocol: nullable(4096),
    origin: Type.String({ maxLength: 4096 }),
    boundClient: nullable(4096),
    principal: nullable(4096),
    tokens: Type.Array(hash, { minItems: 1, maxItems: 2 }),
    spent: Type.Array(hash, { maxItems: mostSpent }),
    attempt: count,
    backend: nullable(64),
    generation: count,
    ticket: nullable(8192),
    up: Type.Object({ acknowledged: count, everSent: count }, closed),
    /** `runs`: bytes and messages of each. */
    down: Type.Object(
      { acknowledged: count, everSent: count, runs: Type.Array(Type.Tuple([count, count]), { maxItems: maxRuns }) },
      closed,
    ),
  },
  closed,
);

/** @returns null where it does not fit into `maxBytes`, or could not be read again: an Origin of 5,000 characters, for instance. */
export function encodeHandover(state: HandedOver, maxBytes: number): Buffer | null {
  const { rights, upstream, downstream } = state;
  const { acknowledged, everSent } = downstream;
  const header: Static<typeof Header> = {
    v: 1,
    pipe: state.pipeId,
    client: state.clientId,
    openedAt: state.openedAt,
    protocol: state.protocol,
    origin: rights.binding.origin,
    boundClient: rights.binding.clientId,
    principal: rights.binding.principalId,
    tokens: rights.tokens.map(toText),
    spent: rights.spent.map(toText),
    attempt: rights.attempt,
    backend: state.backendId,
    generation: state.generation,
    ticket: state.ticket,
    up: { acknowledged: upstream.acknowledged, everSent: upstream.everSent },
    down: { acknowledged, everSent, runs: joined(downstream.runs, everSent - acknowledged) },
  };
  const json = Buffer.from(JSON.stringify(header));
  const blob = Buffer.concat([Buffer.alloc(lengthBytes), json, ...downstream.runs.map(({ run }) => run)]);
  blob.writeUInt32BE(json.length, 0);
  return blob.length <= maxBytes && decodeHandover(blob) !== null ? blob : null;
}

/** @returns null for what is no pipe. */
export function decodeHandover(blob: Buffer): HandedOver | null {
  if (blob.length < lengthBytes) return null;
  const headerEnd = lengthBytes + blob.readUInt32BE(0);
  if (headerEnd > blob.length) return null;
  const header = decodeJson(Header, blob.subarray(lengthBytes, headerEnd), maxHeaderBytes);
  if (header === null) return null;
  const { up, down } = header;
  const runs = readRuns(blob.subarray(headerEnd), down.runs);
  if (runs === null || up.everSent < up.acknowledged || !endsARun(runs, down.everSent - down.acknowledged)) return null;
  return {
    pipeId: header.pipe,
    clientId: header.client,
    openedAt: header.openedAt,
    protocol: header.protocol,
    rights: {
      binding: { origin: header.origin, clientId: header.boundClient, principalId: header.principal },
      tokens: header.tokens.map(toBuffer),
      spent: header.spent.map(toBuffer),
      attempt: header.attempt,
    },
    backendId: header.backend,
    generation: header.generation,
    ticket: header.ticket,
    upstream: up,
    downstream: { acknowledged: down.acknowledged, everSent: down.everSent, runs },
  };
}

const toText = (token: Buffer): string => token.toString('base64url');
const toBuffer = (token: string): Buffer => Buffer.from(token, 'base64url');

/** Bytes and messages: of what was sent, and of the rest. */
function joined(runs: readonly Run[], sent: number): [number, number][] {
  const all: [number, number][] = [];
  let before = 0;
  let unfinished = false;
  for (const { run, messages } of runs) {
    const last = all[all.length - 1];
    if (last !== undefined && (unfinished || before !== sent)) {
      last[0] += run.length;
      last[1] += messages;
    } else {
      all.push([run.length, messages]);
    }
    // The rest of a message follows.
    unfinished = messages === 0;
    before += messages;
  }
  return all;
}

/** @returns null where they are not made of whole messages to a client, or leave bytes over. */
function readRuns(bytes: Buffer, lengths: readonly (readonly [number, number])[]): Run[] | null {
  const runs: Run[] = [];
  let at = 0;
  for (const [length, messages] of lengths) {
    const run = bytes.subarray(at, at + length);
    if (run.length < length || messages === 0 || countMessages(run) !== messages) return null;
    runs.push({ run, messages });
    at += length;
  }
  return at === bytes.length ? runs : null;
}

/** So many messages are whole runs from the front. */
function endsARun(runs: readonly Run[], messages: number): boolean {
  let left = messages;
  for (const run of runs) {
    if (left <= 0) break;
    left -= run.messages;
  }
  return left === 0;
}
