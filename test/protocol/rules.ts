/**
 * What docs/PROTOCOL.md says of holdfast.v1, rule by rule, to be tried against any gateway with an echo backend behind it. A rule throws
 * where the gateway breaks it.
 */

import { counting } from './rules/counting.ts';
import { messages } from './rules/messages.ts';
import { negotiation } from './rules/negotiation.ts';
import { operator } from './rules/operator.ts';
import { resuming } from './rules/resuming.ts';
import type { Rule } from './trial.ts';

/** In the order of the document; what ends the gateway is last. */
export const rules: readonly Rule[] = [...negotiation, ...messages, ...counting, ...resuming, ...operator];
