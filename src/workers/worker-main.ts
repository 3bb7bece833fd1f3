/** The start of a worker process: what V8 is told before the rest is loaded, for which its memory would grow. */
import '../command/memory-flags.ts';

await import('./worker.ts');
