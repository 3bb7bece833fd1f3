#!/usr/bin/env node
/** The start of the `holdfast` command: what V8 is told before the rest is loaded, for which its memory would grow. */
import './command/memory-flags.ts';

await import('./command.ts');
