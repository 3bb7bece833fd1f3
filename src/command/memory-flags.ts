/**
 * How the command's process trades memory for work: settings of V8 for a process that holds many idle connections. What a connection needs while it is
 * set up outlives V8's young generation, and would lie in the old one, as large again as what lives, until somebody collects it.
 */
import { setFlagsFromString } from 'node:v8';

/** The old generation is collected when it has grown by so much since the last time; V8's own choice is up to 300. */
const growthPercent = 20;

setFlagsFromString(`--heap-growing-percent=${growthPercent}`);
// The young generation grows no further than the start of the process made it: what it is for, garbage of each message, the relay does not make.
setFlagsFromString('--semi-space-growth-factor=1');
// A site whose first objects lived on would have all later ones in the old generation from the beginning; and with each of them lives, until
// that is collected, all it refers to. One request of a flood would so keep the next: each collection of the young had four times as much to move.
setFlagsFromString('--no-allocation-site-pretenuring');
