/** A connection for the life of a component: `const { socket, state } = useHoldfast('/ws')`. Listen to `socket`, show `state`. */
import { HoldfastSocket, type SocketState } from 'fastify-holdfast/client';
import { useEffect, useState } from 'react';

export function useHoldfast(url: string) {
  const [socket, setSocket] = useState<HoldfastSocket | null>(null);
  const [state, setState] = useState<SocketState | null>(null);
  useEffect(() => {
    const made = new HoldfastSocket(new URL(url, location.href));
    // The first state was there before anybody could listen; the last one, of a socket that is left, is not to be shown.
    const left = new AbortController();
    made.addEventListener('state', ({ detail }) => setState(detail), { signal: left.signal });
    setState(made.state);
    setSocket(made);
    return () => {
      left.abort();
      made.close();
    };
  }, [url]);
  return { socket, state };
}
