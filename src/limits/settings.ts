/** What clients may do: the limits that can be set. */
import { type Static, Type } from 'typebox';
import { ms } from '../settings.ts';

const count = (value: number, description: string, minimum = 0) =>
  Type.Integer({ default: value, minimum, maximum: 2 ** 31 - 1, description });

export const limitProperties = {
  maxPipes: count(100_000, 'Most clients at one time; more are refused with 503.', 1),
  maxPipesPerAddress: count(1000, 'Most clients of one address at one time; more are refused with 429. 0 = no limit.'),
  handshakesPerSecond: count(
    1000,
    'Upgrade requests per second, on average, that are looked at, whatever is wrong with them; more are refused with 503. 0 = no limit.',
  ),
  handshakeBurst: count(5000, 'How many of them may come at once, and how many may wait for their turn.', 1),
  handshakesPerSecondPerAddress: count(
    50,
    'The same for each address; more are refused with 429. A connection that ends without a request counts as one. 0 = no limit.',
  ),
  handshakeBurstPerAddress: count(1000, 'How many of them may come at once.', 1),
  handshakesPerViolation: count(
    10,
    'A client that is closed for what it sent (against the protocol, or over a limit) has cost its address as many handshakes more: it comes back more slowly. 0 = none.',
  ),
  dropConnections: Type.Boolean({
    default: true,
    description:
      "An address that goes on after handshakesPerSecondPerAddress refusals a second has its new connections dropped unread, 1 to 2 s after they came, whatever they are for; not where trustProxy is set, as they are the proxy's then.",
  }),
  maxPipelinedRequests: count(
    32,
    'Most HTTP requests of one connection that are not answered yet, whatever they ask for; one more ends the connection. 0 = no limit.',
  ),
  ipv6PrefixBits: Type.Integer({
    default: 64,
    minimum: 1,
    maximum: 128,
    description: 'How much of an IPv6 address counts as one address: a network is given a whole /64, or a /56.',
  }),
  exemptAddresses: Type.Array(
    Type.String({
      pattern: '^[0-9a-fA-F:.]+(/\\d{1,3})?$',
      description: 'An address, or a subnet such as 10.0.0.0/8.',
    }),
    {
      default: ['127.0.0.0/8', '::1'],
      description: 'Addresses and subnets whose clients are limited only as part of all: the default is this machine.',
    },
  ),
  maxAddresses: count(
    65_536,
    'Addresses in each of two tables, those whose rate is watched and those that were refused for it; beyond it the one that was silent for longest is forgotten.',
    1,
  ),
  hooksTimeoutMs: ms(
    5000,
    'Longest time for allowedOrigins, authenticate and clientId, together, before an upgrade is refused with 503; 0 = no limit.',
  ),
  maxFragments: count(16_384, 'Most frames in one message; more close the client with 1008.', 1),
  messageTimeoutMs: ms(
    120_000,
    'Longest time from the first to the last byte of a message of a client, which is then closed with 1008; 0 = no limit.',
  ),
  messagesPerSecond: count(
    0,
    'Messages per second, on average, that are read of one client; one that sends more is read no faster. 0 = no limit.',
  ),
  controlFramesPerSecond: count(
    200,
    'Pings and pongs per second, over 10 s, before a client is closed with 1008; those behind 16 KiB of data are not counted. 0 = no limit.',
  ),
  pongsPerSecond: count(
    20,
    'Pings per second, on average, that are answered on one connection; the others are left unanswered. Pings behind 16 KiB of data are not counted. 0 = all are answered.',
  ),
  refusedLogsPerSecond: count(
    20,
    'Lines in the log per second, on average, of each event that strangers can cause at will: pipe.refused, pipe.violated, client.resume-refused, audit.refused. 0 = all.',
  ),
  framesPerTurn: count(
    2000,
    'Frames of one connection that are worked through before all others have had their turn; a control frame counts as ten.',
    100,
  ),
};

const settings = Type.Object(limitProperties);
type Settings = Static<typeof settings>;
export type LimitSettings = Readonly<Omit<Settings, 'exemptAddresses'>> & {
  readonly exemptAddresses: readonly string[];
};
