/** The snapshot of a pipe for operators. */
import type { TimerWheel } from '../heartbeat/wheel.ts';
import type { SocketLink } from '../link/socket-link.ts';
import type { PipeReading, Traffic } from '../observe/readings.ts';
import { scrubProtocol } from '../observe/scrub.ts';
import type { IntakeLimits } from './intake.ts';
import type { PersistentPipe } from './persistent-pipe.ts';
import type { LinkView, PipeView } from './views.ts';

function linkView(link: SocketLink, wheel: TimerWheel): LinkView {
  return {
    rttMs: link.rttMs === null ? null : Math.round(link.rttMs * 100) / 100,
    silentMs: Math.max(0, Math.round(wheel.fairNow() - link.receivedAt)),
    bufferedBytes: link.bufferedBytes,
    paused: link.paused,
  };
}

export function pipeView(pipe: PersistentPipe, host: { wheel: TimerWheel; limits: IntakeLimits }): PipeView {
  const { request, client, backend, upstream, interruptedMs } = pipe;
  const { generation, interruptions } = pipe.backendSide;
  return {
    id: pipe.id,
    clientId: request.clientId,
    clientIp: request.clientIp,
    state: pipe.state,
    path: request.suffix === '' ? '/' : request.suffix,
    protocol: scrubProtocol(pipe.agreedProtocol ?? ''),
    openedAt: new Date(pipe.openedAt).toISOString(),
    backendId: backend?.backend.id ?? null,
    generation,
    interruptions: interruptions.count,
    interruptedMs: interruptedMs === null ? null : Math.round(interruptedMs),
    lastInterruption: interruptions.last,
    client: client === null ? null : linkView(client.link, host.wheel),
    backend:
      backend === null
        ? null
        : {
            backendId: backend.backend.id,
            acknowledging: backend.acknowledging,
            ...linkView(backend.link, host.wheel),
          },
    journal: {
      messages: upstream.journal.messages,
      bytes: upstream.journal.bytes,
      maxBytes: host.limits.maxBytesPerPipe,
    },
    traffic: pipeTraffic(pipe),
  };
}

function pipeTraffic(pipe: PersistentPipe): Traffic {
  return {
    messagesToBackend: pipe.clientSide.messages,
    messagesToClient: pipe.downstream.messages,
    bytesToBackend: pipe.clientSide.bytes,
    bytesToClient: pipe.downstream.bytes,
  };
}

/** What metrics and statistics read: no view, of which there would be thousands at each scrape. */
export function pipeReading(pipe: PersistentPipe): PipeReading {
  const { state, client, backend } = pipe;
  return { state, client, backend, traffic: pipeTraffic(pipe) };
}
