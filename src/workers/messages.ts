/**
 * What the primary process and its workers say to each other, apart from the store (cluster/ipc), on the same channel. What comes is
 * checked: other messages go there as well.
 */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { AdminTokenSchema } from '../admin/settings.ts';

const markText = 'holdfast-workers-1';
const mark = Type.Literal(markText);
const id = Type.Integer({ minimum: 1 });
const tokens = Type.Array(Type.Union([Type.String(), AdminTokenSchema]));

/** As prom-client's getMetricsAsJSON() has it. */
const MetricSchema = Type.Object({
  name: Type.String(),
  help: Type.String(),
  type: Type.Enum(['counter', 'gauge', 'histogram', 'summary']),
  aggregator: Type.Enum(['sum', 'min', 'max', 'first', 'average', 'omit']),
  values: Type.Array(
    Type.Object({
      value: Type.Number(),
      labels: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()])),
      metricName: Type.Optional(Type.String()),
    }),
  ),
});
export type MetricJson = Static<typeof MetricSchema>;
const metrics = Type.Array(MetricSchema);

const toWorker = {
  /** Its first: serve, with these settings (CommandSettings: the primary has checked them). */
  begin: Type.Object({ kind: Type.Literal('begin'), index: id, settings: Type.Object({}), tokens }),
  /** `replaced`: others have its place, the port and its pipes. `noTerminal`: there is none any more to write to. */
  end: Type.Object({ kind: Type.Literal('end'), replaced: Type.Boolean(), noTerminal: Type.Boolean() }),
  /** Certificates, and the tokens where there are new ones. */
  reload: Type.Object({ kind: Type.Literal('reload'), tokens: Type.Union([tokens, Type.Null()]) }),
  /** Are you there? Any message is an answer. */
  ping: Type.Object({ kind: Type.Literal('ping') }),
  /** What do you count? */
  collect: Type.Object({ kind: Type.Literal('collect'), id }),
  /** The answer to `gather`: the page of all workers. */
  page: Type.Object({ kind: Type.Literal('page'), id, body: Type.String() }),
};

const toPrimary = {
  /** It listens to the channel from here on: what came before may be lost. */
  hello: Type.Object({ kind: Type.Literal('hello') }),
  serving: Type.Object({
    kind: Type.Literal('serving'),
    address: Type.String(),
    path: Type.String(),
    backends: Type.Integer({ minimum: 0 }),
  }),
  /** It cannot serve, and why: the line for stderr and the exit code of the command. */
  failed: Type.Object({
    kind: Type.Literal('failed'),
    code: Type.Union([Type.Literal(1), Type.Literal(2)]),
    line: Type.String(),
  }),
  /** It was told to end by a signal of its own: let another one take its place first. */
  leaving: Type.Object({ kind: Type.Literal('leaving') }),
  pong: Type.Object({ kind: Type.Literal('pong') }),
  collected: Type.Object({ kind: Type.Literal('collected'), id, metrics }),
  /** What it has counted, at its end. */
  final: Type.Object({ kind: Type.Literal('final'), metrics }),
  /** Somebody wants the metrics of all workers. */
  gather: Type.Object({ kind: Type.Literal('gather'), id }),
};

export type ToWorker = { [K in keyof typeof toWorker]: Static<(typeof toWorker)[K]> }[keyof typeof toWorker];
export type ToPrimary = { [K in keyof typeof toPrimary]: Static<(typeof toPrimary)[K]> }[keyof typeof toPrimary];

const envelope = (bodies: Parameters<typeof Type.Union>[0]) =>
  Type.Object({ holdfast: mark, body: Type.Union(bodies) });
const WorkerEnvelope = envelope(Object.values(toWorker));
const PrimaryEnvelope = envelope(Object.values(toPrimary));

export function pack(body: ToWorker | ToPrimary): object {
  return { holdfast: markText, body };
}

/** @returns null for what is not meant for us. */
export function readInWorker(message: unknown): ToWorker | null {
  return Value.Check(WorkerEnvelope, message) ? (message.body as ToWorker) : null;
}

/** @returns null for what is not meant for us. */
export function readInPrimary(message: unknown): ToPrimary | null {
  return Value.Check(PrimaryEnvelope, message) ? (message.body as ToPrimary) : null;
}
