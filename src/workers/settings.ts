/** How many processes serve the clients, and how long one may take to start. Pure. */
import { Type } from 'typebox';

export const maxWorkers = 256;
/** Longest time of a start, milliseconds. */
export const startMs = 60_000;

export const WorkersSchema = Type.Union([Type.Integer({ minimum: 0, maximum: maxWorkers }), Type.Literal('auto')], {
  default: 0,
  description:
    'Processes that share the port and act as one gateway; "auto" = one for each core; 0 = a single process does it all. Every limit holds for each of them.',
});
