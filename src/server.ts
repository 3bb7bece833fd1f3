#!/usr/bin/env node
/** The start of the `holdfast` command: signals that must not end it, and what V8 is told before the rest is loaded, for which its memory would grow. */
import './command/early-signals.ts';
import './command/memory-flags.ts';

await import('./command.ts');
