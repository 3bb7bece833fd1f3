/** Whether what came of a case is what RFC 6455 says, and the same as without the gateway. */
import type { FrameCase, FrameSpec, Role } from './case.ts';
import { type Difference, deviationsOfWs, differences, failsOver, fields, type Pair } from './differences.ts';
import { digestOf } from './digest.ts';
import type { Observation } from './player.ts';

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
const show = (what: unknown): string => {
  const shown = JSON.stringify(what);
  return shown.length > 300 ? `${shown.slice(0, 300)}...` : shown;
};

/** @returns what is wrong with what came through the gateway. */
export function judge(one: FrameCase, role: Role, seen: Observation): string[] {
  const wrong: string[] = [];
  const must = (what: string, actual: unknown, wanted: unknown): void => {
    if (!same(actual, wanted)) wrong.push(`${what}: ${show(actual)}, not ${show(wanted)}`);
  };
  const { outcome } = one;
  const delivers = (one.delivers ?? []).map(digestOf);
  must('delivered', seen.delivered, delivers);
  must('rules the gateway broke', seen.faults, []);
  if (!seen.sameFrames && one.rewritten !== true) wrong.push('the frames are not those that were sent');
  const over = failsOver({ one, role });
  const reason = outcome.kind === 'fails' ? 'protocol-error' : outcome.kind === 'lost' ? 'lost' : 'closed';
  must('failovers', seen.interruptions, over ? [reason] : []);
  if (over && role === 'backend') {
    if (!seen.served) wrong.push('the client was not served by the next backend');
    must("the client's Close", seen.appClose, null);
  }
  if (role === 'client' && outcome.kind !== 'lost' && !seen.peerEndedFirst) {
    wrong.push('the server did not end the TCP connection first (7.1.1)');
  }
  const codes = seen.closes.map(({ code }) => code);
  if (outcome.kind === 'open') {
    must('echoes', seen.messages, delivers);
    must('pongs', seen.pongs, pingsOf(one));
    must('Closes', seen.closes, [{ code: 1000, reason: 'done' }]);
    must("the application's Close", seen.appClose, { code: 1000, reason: 'done' });
  } else if (outcome.kind === 'lost') {
    must('Closes', codes, []);
    if (role === 'client') must("the application's Close", seen.appClose?.code, 1001);
  } else if (outcome.kind === 'closed' && over) {
    must('Closes', codes, [1000]);
  } else {
    must('codes of Closes', codes, [outcome.code]);
    if (!over) mustClose(must, one, role, seen);
  }
  return wrong;
}

type Must = (what: string, actual: unknown, wanted: unknown) => void;

/** What the application is told of the script's end. */
function mustClose(must: Must, { outcome }: FrameCase, role: Role, seen: Observation): void {
  if (outcome.kind === 'closes' || outcome.kind === 'closed') {
    const { code, reason } = outcome;
    must('Close', seen.closes[0], { code, reason });
    must("the application's Close", seen.appClose, { code, reason });
  } else if (outcome.kind === 'fails') {
    must("the application's Close", seen.appClose?.code, role === 'client' ? 1001 : outcome.code);
  }
}

/** Payloads of the pings of a script. */
function pingsOf({ steps }: FrameCase): string[] {
  const frames = steps.flatMap((step) => ('send' in step ? step.send : []));
  return frames
    .filter((frame): frame is FrameSpec => !(frame instanceof Uint8Array) && frame.opcode === 'ping')
    .map(({ payload = '' }) => Buffer.from(payload as string).toString('hex'));
}

/** @returns what differs without a reason; `used` gets the rows that explain the rest. */
export function compare(pair: Pair, used: Map<Difference, number>): string[] {
  const wrong: string[] = [];
  for (const field of fields) {
    if (field === 'peerEndedFirst' && (pair.role === 'backend' || pair.one.outcome.kind === 'lost')) continue;
    const [alone, through] = [pair.alone[field], pair.through[field]];
    if (same(alone, through)) continue;
    const row = [...differences, ...deviationsOfWs].find((one) => one.fields.includes(field) && one.explains(pair));
    if (row === undefined) wrong.push(`${field}: alone ${show(alone)}, through the gateway ${show(through)}`);
    else used.set(row, (used.get(row) ?? 0) + 1);
  }
  return wrong;
}
