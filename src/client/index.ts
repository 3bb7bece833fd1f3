export { HoldfastSocket } from './holdfast-socket.ts';
export type * from './types.ts';
