/**
 * Less memory for the listeners of what lives long. Node keeps them in `{ __proto__: null }`, a hash table for each emitter, which grows with what
 * HTTP adds and is never made smaller. Those made here have a hidden class that all of them share, and room for what is in them.
 */
import { EventEmitter } from 'node:events';

const Listeners = function Listeners() {} as unknown as new () => object;
Listeners.prototype = Object.create(null);

/** The same listeners, in a new table. Not by the emitter's own removeAllListeners(): that of a stream starts reading. */
export function shrinkListeners(emitter: EventEmitter): void {
  const kept = emitter.eventNames().map((name) => [name, emitter.rawListeners(name)] as const);
  EventEmitter.prototype.removeAllListeners.call(emitter);
  (emitter as EventEmitter & { _events: object })._events = new Listeners();
  for (const [name, listeners] of kept)
    for (const listener of listeners) EventEmitter.prototype.on.call(emitter, name, listener as () => void);
}
