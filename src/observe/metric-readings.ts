/** The metrics that are read at the scrape, so that they cost nothing meanwhile. */
import { limitNames } from '../limits/limit-tally.ts';
import { hops } from './metric-labels.ts';
import type { MetricSet } from './metric-set.ts';
import { backendStates, countBackends } from './readings.ts';
import type { Scrape } from './scrape.ts';
import { livePipeStates } from './vocabulary.ts';

/** @param version of this package. */
export function declareReadings(set: MetricSet<Scrape>, version: string): void {
  set.reading(
    'gauge',
    'build_info',
    'Always 1; says what is running.',
    ['version', 'node_version'],
    (_scrape, show) => show(1, version, process.version),
    'first',
  );
  declarePipes(set);
  declareLimits(set);
  declareTraffic(set);
  declareHeartbeats(set);
  declareBackends(set);
  declareGateway(set);
}

function declarePipes(set: MetricSet<Scrape>): void {
  set.reading('gauge', 'pipes', 'Live pipes by state.', ['state'], ({ sums: { byState } }, show) => {
    for (const state of livePipeStates) show(byState[state], state);
  });
  set.reading('gauge', 'pipes_limit', 'Most pipes at one time (limits.maxPipes).', [], ({ from }, show) =>
    show(from.options.limits.maxPipes),
  );
  set.reading('counter', 'pipes_opened_total', 'Clients that were upgraded.', [], ({ totals }, show) =>
    show(totals.opened),
  );
  set.reading('gauge', 'links', 'Physical connections in use by pipes.', ['hop'], ({ sums: { links } }, show) => {
    for (const hop of hops) show(links[hop], hop);
  });
}

function declareLimits(set: MetricSet<Scrape>): void {
  set.reading('gauge', 'clients_arriving', 'Upgrades that have no pipe yet.', [], ({ from }, show) =>
    show(from.entrance.arriving),
  );
  set.reading('gauge', 'limited_addresses', 'Client addresses kept in memory for the limits.', [], ({ from }, show) =>
    show(from.entrance.addresses),
  );
  set.reading(
    'counter',
    'forgotten_addresses_total',
    'Client addresses whose rate was forgotten early, as there were too many (limits.maxAddresses).',
    [],
    ({ from }, show) => show(from.entrance.forgottenAddresses),
  );
  set.reading(
    'counter',
    'limited_total',
    'Times a limit of what clients may do was reached.',
    ['limit'],
    ({ from }, show) => {
      for (const limit of limitNames) show(from.tally.total(limit), limit);
    },
  );
  set.reading(
    'counter',
    'turns_total',
    'Pieces of work that were put off until all other connections had been served (limits.framesPerTurn).',
    [],
    ({ from }, show) => show(from.turns.taken),
  );
}

function declareTraffic(set: MetricSet<Scrape>): void {
  set.reading(
    'counter',
    'messages_total',
    'Whole messages received, by where they go.',
    ['direction'],
    (scrape, show) => {
      show(scrape.traffic('messagesToBackend'), 'toBackend');
      show(scrape.traffic('messagesToClient'), 'toClient');
    },
  );
  set.reading(
    'counter',
    'message_bytes_total',
    'Bytes of them, frame headers included.',
    ['direction'],
    (scrape, show) => {
      show(scrape.traffic('bytesToBackend'), 'toBackend');
      show(scrape.traffic('bytesToClient'), 'toClient');
    },
  );
  set.reading('counter', 'replayed_messages_total', 'Messages sent again after a failover.', [], ({ from }, show) =>
    show(from.statistics.replayed),
  );
  set.reading(
    'counter',
    'undelivered_messages_total',
    'Messages given up when their pipe closed.',
    [],
    ({ from }, show) => show(from.statistics.undelivered),
  );
  set.reading('gauge', 'journal_bytes', 'Bytes kept for clients, all pipes together.', [], ({ from }, show) =>
    show(from.budget.usedBytes),
  );
  set.reading('gauge', 'journal_max_bytes', 'Their bound (buffer.maxTotalBytes).', [], ({ from }, show) =>
    show(from.budget.maxBytes),
  );
}

function declareHeartbeats(set: MetricSet<Scrape>): void {
  const counts = [
    ['heartbeats_sent_total', 'Sent', 'Pings sent.'],
    ['heartbeats_answered_total', 'Answered', 'Pongs that answered a ping of ours.'],
    ['heartbeats_missed_total', 'Missed', 'Intervals in which nothing came from the peer.'],
    ['heartbeat_timeouts_total', 'Timeouts', 'Links given up after their timeout.'],
  ] as const;
  for (const [name, count, help] of counts)
    set.reading('counter', name, help, ['hop'], ({ totals }, show) => {
      for (const hop of hops) show(totals[`${hop}${count}`], hop);
    });
  const settings = [
    ['heartbeat_interval_seconds', 'intervalMs', 'Time between two pings in effect; 0 = off.'],
    ['heartbeat_timeout_seconds', 'timeoutMs', 'Silence after which a link is given up.'],
  ] as const;
  for (const [name, setting, help] of settings)
    set.reading(
      'gauge',
      name,
      help,
      ['hop'],
      ({ from }, show) => {
        for (const hop of hops) show(from.heartbeat().settings[hop][setting] / 1000, hop);
      },
      'max',
    );
}

function declareBackends(set: MetricSet<Scrape>): void {
  set.reading(
    'gauge',
    'backends',
    'Registered backends by state.',
    ['state'],
    ({ from }, show) => {
      const counts = countBackends(from.backends());
      for (const state of backendStates) show(counts[state], state);
    },
    'max',
  );
  set.reading(
    'gauge',
    'backend_up',
    '0 while it is unhealthy: its last try failed, or its health checks do. 1 while it is disabled or drained.',
    ['backend'],
    ({ from }, show) => {
      for (const { id, health } of from.backends()) show(health === 'unhealthy' ? 0 : 1, id);
    },
    'min',
  );
  set.reading(
    'gauge',
    'backend_connections',
    'Connections it holds, with those being dialled.',
    ['backend'],
    ({ from }, show) => {
      for (const { id, connections } of from.backends()) show(connections, id);
    },
  );
  set.reading(
    'counter',
    'dials_filled_total',
    'Times a backend had as many dials under way as it may have (pool.maxConcurrentDials).',
    [],
    ({ from }, show) => show(from.pool.dialsFilled),
  );
  set.reading(
    'counter',
    'ejections_withheld_total',
    'Failures for which a backend was not ejected, as enough others were left out (pool.maxEjectionPercent).',
    [],
    ({ from }, show) => show(from.pool.ejectionsWithheld),
  );
  set.reading(
    'gauge',
    'discovery_up',
    '1 while the latest lookup of discovery.dns had a whole answer.',
    [],
    ({ latest: { lookup } }, show) => {
      if (lookup !== null) show(lookup.result === 'ok' ? 1 : 0);
    },
    'min',
  );
  set.reading(
    'gauge',
    'discovery_backends',
    'Backends that discovery.dns names.',
    [],
    ({ latest: { lookup } }, show) => {
      if (lookup !== null) show(lookup.backends);
    },
    'max',
  );
  set.reading(
    'gauge',
    'discovery_skipped_backends',
    'Addresses in the latest answer that are no backends: too many (discovery.dns.maxBackends), not allowed, or registered otherwise.',
    [],
    ({ latest: { lookup } }, show) => {
      if (lookup !== null) show(lookup.skipped);
    },
    'max',
  );
}

/** How it is with the gateway itself, and with its process. */
function declareGateway(set: MetricSet<Scrape>): void {
  set.reading(
    'gauge',
    'ready',
    '1 while new clients are welcome, as GET /readyz.',
    [],
    ({ from }, show) => show(from.readiness().ready ? 1 : 0),
    'min',
  );
  set.reading(
    'gauge',
    'cluster_up',
    '1 while the store that several gateways share answers.',
    [],
    ({ from }, show) => {
      const state = from.clusterState?.();
      if (state !== undefined) show(state.up ? 1 : 0);
    },
    'min',
  );
  set.reading(
    'gauge',
    'cluster_gateways',
    'Gateways at the last answer of that store.',
    [],
    ({ from }, show) => {
      const state = from.clusterState?.();
      if (state !== undefined) show(state.gateways);
    },
    'max',
  );
  set.reading(
    'gauge',
    'unstable',
    '1 while GET /stats says unstable.',
    [],
    ({ from, sums }, show) => show(from.statistics.stability(sums.total).unstable ? 1 : 0),
    'max',
  );
  set.reading(
    'gauge',
    'event_loop_lag_seconds',
    'Longest delay of the event loop in the last 15 to 30 s.',
    [],
    ({ from }, show) => show(from.wheel.lag().maxMs / 1000),
    'max',
  );
  set.reading(
    'counter',
    'event_loop_stalls_total',
    'Times the event loop stood still for over 50 ms.',
    [],
    ({ from }, show) => show(from.statistics.stalls),
  );
  set.reading('counter', 'event_loop_stalled_seconds_total', 'Time it stood still.', [], ({ from }, show) =>
    show(from.statistics.stalledMs / 1000),
  );
}
