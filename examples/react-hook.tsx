/** A connection for the life of a component: `const { state, send, reconnect } = useHoldfast('/ws', (data) => ...)`. */
import { HoldfastSocket, type SocketData, type SocketState } from 'fastify-holdfast/client';
import { useEffect, useRef, useState } from 'react';

export function useHoldfast(url: string, onMessage: (data: unknown) => void) {
  const [state, setState] = useState<SocketState | null>(null);
  const socket = useRef<HoldfastSocket | null>(null);
  const latest = useRef(onMessage);
  latest.current = onMessage;
  useEffect(() => {
    const made = new HoldfastSocket(new URL(url, location.href));
    socket.current = made;
    made.addEventListener('state', ({ detail }) => setState(detail));
    made.addEventListener('message', ({ data }) => latest.current(data));
    return () => made.close();
  }, [url]);
  const send = (data: SocketData): boolean => socket.current?.send(data) ?? false;
  return { state, send, reconnect: () => socket.current?.reconnect() };
}
