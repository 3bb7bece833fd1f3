/** The states of a pipe and the moves between them. Pure. */
import { IllegalTransition } from '../errors.ts';
import type { PipeState } from './views.ts';

const moves: Readonly<Record<PipeState, readonly PipeState[]>> = {
  connecting: ['open', 'detached', 'closing'],
  open: ['interrupted', 'migrating', 'detached', 'closing'],
  interrupted: ['open', 'detached', 'closing'],
  migrating: ['open', 'interrupted', 'closing'],
  detached: ['open', 'interrupted', 'closing'],
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
  return state !== 'closing' && state !== 'closed';
}
