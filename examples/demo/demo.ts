/**
 * npm run demo                  the gateway, two backends, a page to play with them, and what to type; until Ctrl-C
 * npm run demo -- --once        does it by itself and judges: exit code 1 if anything was lost or closed
 * npm run demo -- --any-port    not on 8080, 8081, 9001 ...: several demos at once
 * npm run demo -- --client      a client for the terminal
 */
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { runClient } from './client.ts';
import { runOnce } from './once.ts';
import { PageServer } from './page-server.ts';
import { freePort } from './processes.ts';
import { type Stage, startStage, tell, token } from './stage.ts';

const onceLimitMs = 60_000;
const pagePort = 8081;

function whatToTry({ gateway, gatewayPort, backends, ports, moved }: Stage, pageUrl: string): string {
  const http = `http://127.0.0.1:${gatewayPort}`;
  const curl = `curl -s -w '\\n' -H 'Authorization: Bearer ${token}'`;
  const json = `-H 'Content-Type: application/json'`;
  const clientUrl = gatewayPort === 8080 ? '' : ` ws://127.0.0.1:${gatewayPort}/ws`;
  const [a, b] = ['a', 'b'].map((name) => backends.get(name)?.pid);
  return `
Holdfast demo: one gateway, two backends, each a process of its own.

  Open ${pageUrl} in a browser: a chat, with buttons that kill, freeze and cut.

${moved.map((line) => `  ${line}\n`).join('')}
  gateway    ws://127.0.0.1:${gatewayPort}/ws   pid ${gateway.pid}
  admin API  ${http}/docs   token ${token}
  backend a  ws://127.0.0.1:${ports.get('a')}      pid ${a}
  backend b  ws://127.0.0.1:${ports.get('b')}      pid ${b}

Or try, in a second terminal in this folder:

  1. Connect a client, type something; the answer says which backend gave it:
     npm run demo -- --client${clientUrl}

  2. See the pool and the client's pipe:
     ${curl} ${http}/backends
     ${curl} ${http}/pipes

  3. Kill the backend that answers, and type on: the client stays connected.
     a:  kill -9 ${a}
     b:  kill -9 ${b}

  4. Start it again:
     node examples/demo/backend.mjs --name a --port ${ports.get('a')}
     node examples/demo/backend.mjs --name b --port ${ports.get('b')}

  5. Start a third one and register it:
     node examples/demo/backend.mjs --name c --port ${ports.get('c')}
     ${curl} ${json} -d '{"id":"c","url":"ws://127.0.0.1:${ports.get('c')}"}' ${http}/backends

  6. Drain one: its clients move to another without a gap, then it is removed:
     ${curl} -X DELETE ${http}/backends/b

  7. Change the heartbeat of every live connection (it is 2 s now):
     ${curl} -X PATCH ${json} -d '{"client":{"intervalMs":5000}}' ${http}/config/heartbeat

Ctrl-C ends the demo and all its processes. What happens:
`;
}

async function runStage(anyPort: boolean): Promise<number> {
  const clock = (): string => new Date().toTimeString().slice(0, 8);
  const say = (text: string): void => console.log(`  ${clock()}  ${text}`);
  let open = false;
  let ending = false;
  // Before the page is there nobody has connected: the processes just end with this one.
  let onEnd = (): void => process.exit(130);
  onFirstSignal(() => onEnd());
  let page: PageServer | null = null;
  let failed = (): void => {};
  const server = await PageServer.listen(anyPort ? 0 : await freePort(pagePort));
  const stage = await startStage(
    {
      onLog: (line) => {
        const text = tell(line);
        if (text !== null && open) say(text);
        page?.log(line);
      },
      onBackendExit: (name, how) => {
        if (ending) return;
        say(`backend ${name}: its process ended (${how}); step 4 or the page starts it again`);
        if (page?.ends(name) === false) page.say(`backend ${name}: its process ended (${how})`);
        page?.changed();
      },
      onGatewayExit: (how, errors) => {
        if (ending) return;
        if (page?.ends('gateway')) {
          say(`the gateway: its process ended (${how}); the page starts it again`);
          return;
        }
        console.error(`The gateway ended: ${how}. ${errors}`);
        failed();
      },
    },
    anyPort,
    (server.address() as AddressInfo).port,
  );
  page = await PageServer.start(stage, server);
  console.log(whatToTry(stage, page.url));
  open = true;
  const ended = new Promise<number>((resolve) => {
    failed = () => resolve(1);
    onEnd = () => {
      console.log(
        '\nEnding: the gateway closes its clients with 1012, then the backends end. Ctrl-C again ends at once.',
      );
      resolve(0);
    };
  });
  const code = await ended;
  ending = true;
  await stage.stop();
  page.close();
  return code;
}

/** Under npm one Ctrl-C arrives twice; only a later one means it. */
function onFirstSignal(done: () => void): void {
  let firstAt: number | undefined;
  const onSignal = (): void => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      done();
    } else if (performance.now() - firstAt > 250) {
      process.exit(130);
    }
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal).on('SIGHUP', onSignal);
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { once: { type: 'boolean' }, client: { type: 'boolean' }, 'any-port': { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.client) return runClient(positionals[0] ?? 'ws://127.0.0.1:8080/ws');
  if (positionals.length > 0)
    throw new Error(`Unknown argument ${positionals[0]}. Known: --once, --any-port, --client [url].`);
  if (!values.once) return runStage(values['any-port'] ?? false);
  // The processes end with this one.
  onFirstSignal(() => process.exit(130));
  setTimeout(() => {
    console.error(`The demo was not done after ${onceLimitMs / 1000} s.`);
    process.exit(1);
  }, onceLimitMs).unref();
  return runOnce((line) => console.log(line));
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(`The demo failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exit(1);
  },
);
