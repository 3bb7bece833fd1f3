/** Plays one case on one connection and writes down what both ends saw. */

import type { CloseInfo } from '../support/frame-codec.ts';
import { probe } from './app-end.ts';
import { bytesOf, type FrameCase, type Send, type Step, text } from './case.ts';
import { digestOf } from './digest.ts';
import type { Connection, Rig } from './rigs.ts';
import type { ScriptedEnd } from './scripted-end.ts';

/** How the frames are cut into writes. */
export type Writes = 'as written' | 'in one write' | 'byte by byte';

export interface Observation {
  /** What the scripted end got: echoes of the application, pongs, Closes. */
  readonly messages: readonly string[];
  readonly pongs: readonly string[];
  readonly closes: readonly CloseInfo[];
  readonly faults: readonly string[];
  /** The other end ended the TCP connection first. */
  readonly peerEndedFirst: boolean;
  /** What the application got from the script; the suite's own last message left out. */
  readonly delivered: readonly string[];
  readonly appPings: readonly string[];
  readonly appPongs: readonly string[];
  readonly appClose: CloseInfo | null;
  /** The frames of what was delivered are those that were sent, byte for byte. */
  readonly sameFrames: boolean;
  /** Why the gateway took another backend; and whether the application was served by it. */
  readonly interruptions: readonly string[];
  readonly served: boolean;
  /** Reads in which the frames reached the application. */
  readonly reads: number;
}

/** The suite's own last message: its echo says that all before it was seen. */
const lastMessage = 'the last message';
const lastDigest = digestOf(lastMessage);

export async function play(one: FrameCase, writes: Writes, rig: Rig): Promise<Observation> {
  const connection = await rig.connect();
  try {
    for (const step of arrange(one.steps, writes)) await perform(step, connection, rig);
    await finish(one, connection, rig);
    return observe(connection);
  } finally {
    connection.dispose();
  }
}

/** The steps with their frames cut as `writes` says. */
function arrange(steps: readonly Step[], writes: Writes): readonly Step[] {
  if (writes === 'as written') return steps;
  if (writes === 'byte by byte') {
    return steps.map((step) => ('send' in step ? { ...step, cuts: 'every byte' as const } : step));
  }
  const sends = steps.filter((step): step is Send => 'send' in step);
  const others = steps.filter((step) => !('send' in step) && !('wait' in step));
  return [{ send: sends.flatMap((step) => step.send) }, ...others];
}

/** The other end reads what was written before. */
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function perform(step: Step, { scripted, apps }: Connection, rig: Rig): Promise<void> {
  if ('send' in step) {
    const whole = bytesOf(step.send, rig.role);
    if (step.first === undefined) scripted.count(whole);
    const bytes = whole.subarray(0, step.first);
    scripted.atBorder = false;
    const cuts = step.cuts === 'every byte' ? Array.from(bytes, (_, at) => at) : (step.cuts ?? []);
    let from = 0;
    for (const at of [...cuts, bytes.length]) {
      if (at <= from) continue;
      scripted.write(bytes.subarray(from, at));
      from = at;
      await tick();
    }
    scripted.written(step.first === undefined);
  } else if ('wait' in step) {
    const answered = (): boolean =>
      scripted.messages.length >= scripted.sentMessages && scripted.pongs.length >= scripted.sentPings;
    await scripted.watch.when(() => answered() || isEnding(scripted), 'the answers to what was sent');
  } else if ('end' in step) {
    scripted.end(step.end);
  } else {
    const { code, reason } = step.peerCloses;
    scripted.answerPings();
    apps[0]!.ws.close(code, reason);
    await scripted.watch.when(() => isEnding(scripted) || apps.length > 1, 'the Close of the application');
  }
}

const isEnding = (scripted: ScriptedEnd): boolean => scripted.closes.length > 0 || scripted.closed;

async function finish(one: FrameCase, connection: Connection, rig: Rig): Promise<void> {
  const { scripted, apps } = connection;
  if (!scripted.ended) {
    const ownClose = one.outcome.kind === 'closes';
    let said = ownClose;
    if (scripted.closes.length === 0 || ownClose) {
      const last = bytesOf([text(lastMessage)], rig.role);
      scripted.count(last);
      scripted.write(last);
      await scripted.watch.when(
        () => scripted.messages.includes(lastDigest) || isEnding(scripted),
        'the echo of the last message, or a Close',
      );
    }
    scripted.answerPings();
    if (scripted.closes.length === 0 && !scripted.closed && !said) {
      said = true;
      await scripted.link.sendClose(1000, 'done');
      await scripted.watch.when(() => isEnding(scripted), 'the answer to the last Close');
    }
    if (!said && scripted.closes.length > 0) {
      const { code, reason } = scripted.closes[0]!;
      if (code === 1005) await scripted.link.sendClose();
      else await scripted.link.sendClose(code, reason);
    }
    // RFC 6455 section 7.1.1: the server ends the TCP connection, the client waits for it.
    if (rig.role === 'backend') scripted.end('fin');
  }
  await scripted.watch.when(() => scripted.closed, 'the end of the connection');
  const app = apps.at(-1)!;
  await app.watch.when(
    () => app.close !== null || (rig.role === 'backend' && connection.interruptions.length > 0),
    "the end of the application's connection",
  );
  if (app.close !== null) return;
  app.ws.send(`${probe}ask`);
  await app.watch.when(() => app.probes.length > 0 || app.close !== null, 'an answer of the next backend');
  app.ws.close(1000);
  await app.watch.when(() => app.close !== null, 'the Close with the next backend');
}

function observe({ scripted, apps, interruptions }: Connection): Observation {
  const app = apps[0]!;
  const delivered = app.messages.filter((message) => message !== lastDigest);
  return {
    messages: scripted.messages.filter((message) => message !== lastDigest),
    pongs: scripted.pongs,
    closes: scripted.closes,
    faults: scripted.faults,
    peerEndedFirst: scripted.peerEndedFirst,
    delivered,
    appPings: app.pings,
    appPongs: app.pongs,
    // Of the connection the script was played on.
    appClose: app.probes.length > 0 ? null : app.close,
    sameFrames: app.frames
      .slice(0, delivered.length)
      .every((frames, index) => index >= scripted.sent.length || frames === scripted.sent[index]),
    interruptions,
    served: app.probes.length > 0 && app.probes.every((answer) => answer === probe),
    reads: app.reads,
  };
}
