/** What the operator is shown of pipes: plain snapshots, made when asked for. */
import type { InterruptionReason, PipeState } from '../observe/vocabulary.ts';

export interface LinkView {
  /** Round trip of the last answered ping, milliseconds; null before the first. */
  readonly rttMs: number | null;
  /** Milliseconds since the last byte came. */
  readonly silentMs: number;
  /** Bytes written that the peer has not taken yet. */
  readonly bufferedBytes: number;
  /** True while it is not read, because the other end does not keep up. */
  readonly paused: boolean;
}

export interface BackendLinkView extends LinkView {
  readonly backendId: string;
  /** False where the backend never answered a ping: this link is at-most-once. */
  readonly acknowledging: boolean;
}

export interface PipeView {
  readonly id: string;
  readonly clientId: string;
  readonly clientIp: string;
  readonly state: PipeState;
  /** Path of the client's request, without the query string. */
  readonly path: string;
  /** '' = none; one of over 48 characters, in which some clients hide a token, is not shown. */
  readonly protocol: string;
  /** ISO 8601. */
  readonly openedAt: string;
  readonly backendId: string | null;
  /** How often the pipe has been attached to a backend. */
  readonly generation: number;
  readonly interruptions: number;
  /** Milliseconds of the interruption under way; null when there is none. */
  readonly interruptedMs: number | null;
  readonly lastInterruption: InterruptionReason | null;
  readonly client: LinkView | null;
  readonly backend: BackendLinkView | null;
  readonly journal: {
    readonly messages: number;
    readonly bytes: number;
    readonly maxBytes: number;
  };
  readonly traffic: {
    readonly messagesToBackend: number;
    readonly messagesToClient: number;
    readonly bytesToBackend: number;
    readonly bytesToClient: number;
  };
  /** The gateway that has it; only with several. */
  readonly gateway?: string;
}

/** One line of a pipe's own history. */
export interface PipeHistoryEntry {
  /** ISO 8601 with milliseconds. */
  readonly at: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, string | number | boolean | null>>;
}

export interface PipeDetail extends PipeView {
  /** The last 50 events of this pipe, oldest first. */
  readonly history: readonly PipeHistoryEntry[];
}

export interface PipeFilter {
  readonly state?: PipeState | undefined;
  readonly backendId?: string | undefined;
  readonly clientId?: string | undefined;
}

export interface PipeQuery extends PipeFilter {
  /** Only pipes of the gateway with this id; 'self' = of the one that is asked. Default: of all. */
  readonly gateway?: string | undefined;
  /** Most rows; default 100, at most 1,000. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface PipePage {
  readonly pipes: readonly PipeView[];
  /** Pipes that fit the filter. */
  readonly total: number;
  /** Cursor of the next page; null on the last. */
  readonly next: string | null;
  /** Only with several gateways: one of them was not heard, so there may be more. */
  readonly partial?: boolean;
  /** Those that did not answer in time, by id. */
  readonly missing?: readonly string[];
}

/** Some of the pipes of one gateway, in the order of their beginning. */
export interface PipeSlice {
  readonly pipes: readonly PipeView[];
  /** Pipes that fit the filter. */
  readonly total: number;
  /** Position of the last of them; that of where it was begun, if there is none. */
  readonly last: number;
  /** There are more behind it. */
  readonly more: boolean;
}

export interface PipeSliceOrder {
  /** From behind this position on; 0 = from the first. */
  readonly after: number;
  /** Most pipes. */
  readonly limit: number;
  /** Asked of each; with the first false the slice ends before it. Default: there is room. */
  readonly room?: (pipe: PipeView) => boolean;
}

/** How many pipes of one gateway fit a filter, and how many of those are behind a position. */
export interface PipeCount {
  readonly total: number;
  readonly left: number;
}

/** What a client is told that is closed. */
export interface CloseOrderInput {
  /** 1000 to 4999. Default 1000. */
  readonly code?: number;
  readonly reason?: string;
}

/** What became of an order to close all clients of somebody. */
export interface PrincipalClosed {
  /** Clients that are closed. */
  readonly closed: number;
  /** Only with several gateways: one was not heard, and may have some open still. */
  readonly partial?: boolean;
  /** Those that did not answer in time, and those that fell silent in the last five minutes, by id. */
  readonly missing?: readonly string[];
}

/** The other gateways, as far as this one gives them orders. */
export interface PipePeers {
  closePrincipal(id: string, order: CloseOrderInput): Promise<PrincipalClosed>;
}

/** A rebalance that was begun. */
export interface RebalanceView {
  readonly backendId: string;
  /** Pipes that will be moved. */
  readonly planned: number;
  /** Only with several gateways: those that take part. */
  readonly gateways?: readonly { readonly gateway: string; readonly planned: number }[];
  /** A gateway was not heard: it may take part or not. */
  readonly partial?: boolean;
  /** Those that did not answer in time, by id. */
  readonly missing?: readonly string[];
}

/** How it stands with the store that several gateways share. */
export interface ClusterState {
  /** False = it does not answer: this gateway goes on with what it knew last. */
  readonly up: boolean;
  /** Why not: timeout, disconnected, full, denied, unwritable or failed; null = it answers, or was not asked yet. */
  readonly reason: string | null;
  /** How many gateways there were at its last answer, this one too. */
  readonly gateways: number;
}

export interface Readiness {
  readonly ready: boolean;
  /** Why not; null when ready. */
  readonly reason: string | null;
  readonly pipes: number;
  readonly usableBackends: number;
  /** Only with several gateways. Does not decide whether it is ready. */
  readonly cluster?: ClusterState;
}
