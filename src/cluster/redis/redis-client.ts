/** What is used of a client of the package `redis`: createClient, createCluster and createSentinel give one. */
export type RedisArgument = string | Buffer;

export interface RedisEval {
  readonly keys: string[];
  readonly arguments: RedisArgument[];
}

export interface RedisCommands {
  getRange(key: string, start: number, end: number): Promise<unknown>;
  evalSha(sha: string, options: RedisEval): Promise<unknown>;
  eval(script: string, options: RedisEval): Promise<unknown>;
  hDel(key: string, field: string): Promise<unknown>;
  publish(channel: string, payload: RedisArgument): Promise<unknown>;
}

export interface RedisClient {
  readonly isOpen: boolean;
  /** A client of one server has it. */
  readonly isReady?: boolean;
  connect(): Promise<unknown>;
  ping(): Promise<unknown>;
  destroy(): unknown;
  /** A view of it whose commands have these options. */
  withCommandOptions(options: object): unknown;
  duplicate(): unknown;
  subscribe(
    channel: string,
    listener: (payload: Buffer, channel: Buffer) => unknown,
    bufferMode: true,
  ): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  on(event: 'error' | 'ready', listener: (error?: unknown) => void): unknown;
}
