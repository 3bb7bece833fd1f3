import type { SocketState } from '../types.ts';
import type { StatusTexts } from './texts.ts';

export type StatusTone = 'good' | 'busy' | 'bad' | 'off';

export interface Description {
  readonly text: string;
  readonly tone: StatusTone;
  /** May the person ask for an attempt now? null = there is nothing to ask for. */
  readonly button: 'ready' | 'busy' | null;
  /** Worth saying aloud when this changes: not each second, and not each attempt. */
  readonly topic: string;
}

/** 4408, 4409: see PROTOCOL.md. */
const takenOver = [4408, 4409];
const noFault = [0, 1000, 1005, 1006];

/** A state in words. */
export function describe(state: SocketState, texts: StatusTexts, now: number): Description {
  const key = keyOf(state);
  const values: Record<string, string> = {
    seconds: String(Math.max(1, Math.ceil(((state.nextTryAt ?? now) - now) / 1000))),
    attempt: String(state.attempt),
    maxAttempts: String(state.maxAttempts),
    reason: state.reason,
  };
  const fill = (text: string): string => text.replace(/\{(\w+)\}/g, (all, name: string) => values[name] ?? all);
  const counter = state.maxAttempts === Number.POSITIVE_INFINITY ? texts.uncounted : texts.counted;
  values['attempts'] = state.attempt > 0 ? ` ${fill(counter)}` : '';
  return {
    text: fill(texts[key]),
    tone: toneOf(state),
    button: buttonOf(state),
    topic: key === 'trying' || key === 'waiting' || key === 'restarting' ? 'lost' : key,
  };
}

function keyOf({
  state,
  nextTryAt,
  reason,
  code,
  own,
}: SocketState): Exclude<keyof StatusTexts, 'counted' | 'uncounted' | 'button'> {
  if (state === 'closed') {
    if (own || noFault.includes(code)) return 'closed';
    return takenOver.includes(code) ? 'elsewhere' : 'ended';
  }
  if (state !== 'connecting' && state !== 'reconnecting') return state;
  if (reason === 'offline') return 'offline';
  if (nextTryAt === null) return state === 'connecting' ? 'connecting' : 'trying';
  if (reason === 'goaway') return 'restarting';
  return state === 'connecting' ? 'notYet' : 'waiting';
}

function buttonOf({ state, nextTryAt, attempt }: SocketState): Description['button'] {
  if (state === 'open' || state === 'interrupted') return null;
  if (state === 'failed' || state === 'closed' || nextTryAt !== null) return 'ready';
  return state === 'connecting' && attempt <= 1 ? null : 'busy';
}

function toneOf({ state }: SocketState): StatusTone {
  if (state === 'open') return 'good';
  if (state === 'closed') return 'off';
  return state === 'failed' ? 'bad' : 'busy';
}
