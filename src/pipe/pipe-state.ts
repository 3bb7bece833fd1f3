/** The states of a pipe and the moves between them. Pure. */
import { IllegalTransition } from '../errors.ts';
import type { PipeState } from '../observe/vocabulary.ts';

const moves: Readonly<Record<PipeState, readonly PipeState[]>> = {
  connecting: ['open', 'detached', 'moving', 'closing'],
  open: ['interrupted', 'migrating', 'detached', 'moving', 'closing'],
  interrupted: ['open', 'detached', 'moving', 'closing'],
  migrating: ['open', 'interrupted', 'moving', 'closing'],
  detached: ['open', 'interrupted', 'moving', 'closing'],
  moving: ['closing'],
  closing: ['closed'],
  closed: [],
};

/** The state after the move. @throws HOLDFAST_ERR_ILLEGAL_TRANSITION, a defect of ours, where the move is not allowed. */
export function transition(from: PipeState, to: PipeState): PipeState {
  if (!moves[from].includes(to)) throw new IllegalTransition(from, to);
  return to;
}

/** The client is served, or will be as soon as there is a backend. */
export function isLive(state: PipeState): boolean {
  return state !== 'moving' && !isEnding(state);
}

/** It closes, or has closed. A pipe that is neither live nor ending is on its way to another gateway. */
export function isEnding(state: PipeState): boolean {
  return state === 'closing' || state === 'closed';
}
