/** The neighbour of all that is fuzzed: it must notice nothing of it. */
import { connect } from '../support/client.ts';
import { audit } from '../support/numbered.ts';
import { until } from '../support/wait.ts';

export interface GoodClient {
  /** @returns what it noticed. */
  finish(): Promise<{ readonly problems: readonly string[]; readonly messages: number; readonly p99Ms: number }>;
}

export async function startGoodClient(url: string): Promise<GoodClient> {
  const sentAt: number[] = [];
  const roundTrips: number[] = [];
  const numbers: number[] = [];
  const client = await connect(null, url, {
    collect: false,
    onMessage: ({ text, at }) => {
      const n = Number(text);
      numbers.push(n);
      roundTrips.push(at - (sentAt[n - 1] ?? at));
    },
  });
  const timer = setInterval(() => {
    sentAt.push(performance.now());
    client.send(String(sentAt.length));
  }, 20);
  return {
    finish: async () => {
      clearInterval(timer);
      const problems: string[] = [];
      await until(() => numbers.length >= sentAt.length || client.closeInfo !== undefined, { timeoutMs: 5000 }).catch(
        () => problems.push(`${sentAt.length - numbers.length} answers did not come`),
      );
      if (client.closeInfo !== undefined) problems.push(`it was closed with ${client.closeInfo.code}`);
      const { missing, duplicated, outOfOrder } = audit(numbers, sentAt.length);
      for (const [what, list] of Object.entries({ missing, duplicated, outOfOrder }))
        if (list.length > 0) problems.push(`${what}: ${list.slice(0, 5)}`);
      client.terminate();
      const sorted = roundTrips.sort((one, other) => one - other);
      return { problems, messages: numbers.length, p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0 };
    },
  };
}
