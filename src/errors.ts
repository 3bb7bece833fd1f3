/**
 * Every error the gateway answers or throws, in one table: stable code, HTTP status, and a message that says what is wrong
 * and what to do. Tests assert on `code`, never on the message.
 */
import createError from '@fastify/error';

export const BackendUrlInvalid = createError<[string, string]>(
  'HOLDFAST_ERR_BACKEND_URL',
  '%s is not a usable backend url: %s. Give ws://host:port/path or wss://host:port/path.',
  400,
);
export const BackendNotAllowed = createError<[string, string]>(
  'HOLDFAST_ERR_BACKEND_NOT_ALLOWED',
  '%s may not be a backend of this gateway: %s. Give another address, or change the option allowedBackends.',
  403,
);
export const BackendExists = createError<[string, string, string]>(
  'HOLDFAST_ERR_BACKEND_EXISTS',
  'A backend with the %s %s is already registered as %s. Delete it first, or change it with PATCH.',
  409,
);
export const BackendNotFound = createError<[string]>(
  'HOLDFAST_ERR_BACKEND_NOT_FOUND',
  'There is no backend %s. GET /backends lists those registered.',
  404,
);
export const BackendDraining = createError<[string, string]>(
  'HOLDFAST_ERR_BACKEND_DRAINING',
  'Backend %s is %s. Enable it first (PATCH adminState: enabled), or wait until it is gone.',
  409,
);
export const BackendDiscovered = createError<[string]>(
  'HOLDFAST_ERR_BACKEND_DISCOVERED',
  'Backend %s was found by DNS (discovery.dns) and would come back. Take it out of DNS; or PATCH adminState: draining or disabled, which stays while DNS names it.',
  409,
);
export const PipeNotFound = createError<[string]>(
  'HOLDFAST_ERR_PIPE_NOT_FOUND',
  'There is no live pipe %s. GET /pipes lists them.',
  404,
);
export const PipeNotAttached = createError<[string, string]>(
  'HOLDFAST_ERR_PIPE_NOT_ATTACHED',
  'Pipe %s is %s and has no backend link to interrupt. Try again when it is open.',
  409,
);
export const CursorInvalid = createError<[string]>(
  'HOLDFAST_ERR_CURSOR',
  'cursor %s is not one that GET /pipes gave. Begin again without cursor.',
  400,
);
export const GatewayNotFound = createError<[string]>(
  'HOLDFAST_ERR_GATEWAY_NOT_FOUND',
  'There is no gateway %s. GET /gateways lists those there are; "self" is the one that is asked.',
  404,
);
export const PipeMoving = createError<[string]>(
  'HOLDFAST_ERR_PIPE_MOVING',
  'Pipe %s is on its way to another gateway. Try again when it has arrived.',
  409,
);
export const ClientIdInUse = createError<[string]>(
  'HOLDFAST_ERR_CLIENT_ID_IN_USE',
  'A client with the id %s is connected. Close that one first, use another id, or set onDuplicateClient to "replace".',
  409,
);
export const ClientIdInvalid = createError<[string]>(
  'HOLDFAST_ERR_CLIENT_ID_INVALID',
  'The client id is not usable: %s. The clientId function must return 1 to 256 printable characters.',
  400,
);
/** Only in events: nobody is left to be told. 499 is nginx's word for it. */
export const ClientGone = createError(
  'HOLDFAST_ERR_CLIENT_GONE',
  'The client left before its upgrade was answered.',
  499,
);
export const GatewayFull = createError<[number]>(
  'HOLDFAST_ERR_GATEWAY_FULL',
  'The gateway holds %s clients, its limit (limits.maxPipes). Try again later.',
  503,
);
export const AddressFull = createError<[number]>(
  'HOLDFAST_ERR_ADDRESS_FULL',
  'This address has %s clients here, the limit (limits.maxPipesPerAddress). Close one of them first. Behind a proxy the gateway needs trustProxy to tell clients apart.',
  429,
);
export const TooManyHandshakes = createError(
  'HOLDFAST_ERR_TOO_MANY_HANDSHAKES',
  'More clients want to connect than the gateway lets in each second (limits.handshakesPerSecond). Try again later.',
  503,
);
export const HandshakesFromAddress = createError(
  'HOLDFAST_ERR_HANDSHAKES_FROM_ADDRESS',
  'This address connects too often (limits.handshakesPerSecondPerAddress). Try again later. Behind a proxy the gateway needs trustProxy to tell clients apart.',
  429,
);
export const HooksTimeout = createError<[number]>(
  'HOLDFAST_ERR_HOOKS_TIMEOUT',
  'It was not decided within %s ms (limits.hooksTimeoutMs) whether this client may connect. Try again later.',
  503,
);
export const OriginNotAllowed = createError(
  'HOLDFAST_ERR_ORIGIN_NOT_ALLOWED',
  'Pages of this origin may not connect here. The option allowedOrigins lists those that may; its default is "same-origin".',
  403,
);
export const ClientUnauthenticated = createError(
  'HOLDFAST_ERR_CLIENT_UNAUTHENTICATED',
  'It is not known who you are. Log in, and connect with what you were given.',
  401,
);
export const GatewayClosing = createError(
  'HOLDFAST_ERR_GATEWAY_CLOSING',
  'The gateway is shutting down. Connect again, to another one or a little later.',
  503,
);
export const NoBackendInTime = createError<[number]>(
  'HOLDFAST_ERR_NO_BACKEND_IN_TIME',
  'No backend accepted the connection within %s ms (failover.handshakeWaitMs) to choose one of the offered subprotocols. Try again later.',
  503,
);
export const BackendRefused = createError<[number]>(
  'HOLDFAST_ERR_BACKEND_REFUSED',
  'The backend refused this connection with status %s.',
  403,
);
export const HandshakeInvalid = createError<[string]>(
  'HOLDFAST_ERR_HANDSHAKE',
  'This is not a valid WebSocket handshake: %s.',
  400,
);
export const UpgradeRequired = createError(
  'HOLDFAST_ERR_UPGRADE_REQUIRED',
  'This address speaks WebSocket only. Connect with a WebSocket client.',
  426,
);
export const BodyInvalid = createError<[string]>('HOLDFAST_ERR_VALIDATION', '%s', 400);
export const Unauthorized = createError(
  'HOLDFAST_ERR_UNAUTHORIZED',
  'The admin token is missing or wrong. Send "Authorization: Bearer <token>" with the token the gateway was started with.',
  401,
);
export const AdminHookRefused = createError(
  'HOLDFAST_ERR_UNAUTHORIZED',
  'The hook that is admin.auth did not let this request in. What it threw, if it did, is in the log of the gateway.',
  401,
);
export const Forbidden = createError<[string]>(
  'HOLDFAST_ERR_FORBIDDEN',
  '%s may only read. Use a token with the role write for changes.',
  403,
);
export const TooManyFailures = createError<[number]>(
  'HOLDFAST_ERR_TOO_MANY_FAILURES',
  'Too many requests with a wrong admin token came from this address. Try again in %s s, with the right one.',
  429,
);
export const CrossSite = createError(
  'HOLDFAST_ERR_CROSS_SITE',
  'A page of another site sent this change without a bearer token. Send "Authorization: Bearer <token>", or send it from a page of this address.',
  403,
);
export const HeartbeatInvalid = createError<[string]>('HOLDFAST_ERR_HEARTBEAT', '%s', 400);
export const BufferInvalid = createError<[string]>('HOLDFAST_ERR_BUFFER', '%s', 400);
export const RevisionStale = createError<[string, number]>(
  'HOLDFAST_ERR_REVISION_STALE',
  'If-Match names revision %s, the configuration is at revision %s. Read it again and repeat the change.',
  412,
);
/** Thrown as StoreFailure (cluster/store.ts), which adds the reason. */
export const StoreUnavailable = createError<[string]>(
  'HOLDFAST_ERR_STORE_UNAVAILABLE',
  'The store that the gateways share cannot be used now: %s. Try again later; live clients are served meanwhile.',
  503,
);
export const StoreValueTooBig = createError<[string, number, number]>(
  'HOLDFAST_ERR_STORE_VALUE_TOO_BIG',
  'What is to be shared with the other gateways (%s) has %s bytes, more than the limit of %s. Make it smaller: fewer backends, shorter urls and labels.',
  413,
);
/** Told, not thrown. */
export const StoreRecordUnreadable = createError<[string]>(
  'HOLDFAST_ERR_STORE_RECORD_UNREADABLE',
  'The store has something for %s that this gateway cannot read. It is written over with what this gateway knows, or by the next change. Run gateways of one version, and let nobody else write there.',
  500,
);
export const SharedConflict = createError<[string, number]>(
  'HOLDFAST_ERR_SHARED_CONFLICT',
  'Another gateway has changed %s at the same time; it is at revision %s now. Read it again and repeat the change.',
  409,
);
export const PeerSilent = createError<[string, number]>(
  'HOLDFAST_ERR_PEER_SILENT',
  'Gateway %s did not answer within %s ms. Try again, or look with GET /gateways whether it is still there.',
  504,
);
export const PeerFailed = createError<[string, string]>(
  'HOLDFAST_ERR_PEER_FAILED',
  'Gateway %s could not answer: %s. Its log says more.',
  502,
);
export const PeersBusy = createError<[number]>(
  'HOLDFAST_ERR_PEERS_BUSY',
  'There are %s requests between the gateways under way, the limit. Try again later.',
  503,
);
/** What another gateway threw, thrown again here: its code, status and message. */
export function peerError({
  code,
  statusCode,
  message,
}: {
  readonly code: string;
  readonly statusCode: number;
  readonly message: string;
}): Error {
  return new (createError<[string]>(code, '%s', statusCode))(message);
}
export const OptionsInvalid = createError<[string]>('HOLDFAST_ERR_OPTIONS', '%s', 500);
export const WebsocketRegisteredTwice = createError(
  'HOLDFAST_ERR_WEBSOCKET_REGISTERED_TWICE',
  '@fastify/websocket is registered after fastify-holdfast, which already did so. Register @fastify/websocket before fastify-holdfast, or leave it out.',
  500,
);
export const AdminListenFailed = createError<[string, string]>(
  'HOLDFAST_ERR_ADMIN_LISTEN',
  'The admin API cannot listen on %s: %s. Change admin.listen.',
  500,
);
export const NoAdminAuth = createError(
  'HOLDFAST_ERR_NO_ADMIN_AUTH',
  'The admin API has no authentication. Give admin: { auth: { tokens: ["..."] } }, your own hook as admin: { auth: async (request, reply) => ... }, or admin: false to leave the API out.',
  500,
);
/** A move that the state machine does not allow: always a defect of the gateway itself. */
export const IllegalTransition = createError<[string, string]>(
  'HOLDFAST_ERR_ILLEGAL_TRANSITION',
  'A pipe cannot go from %s to %s.',
  500,
);
