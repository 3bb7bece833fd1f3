/** The `holdfast` command as a user runs it: a process of its own, with its log on record. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from './clean-environment.ts';
import { endWith, type OptionalOwner } from './owner.ts';
import { until, withTimeout } from './wait.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const commandToken = 'command-test-token';

export interface LogLine {
  readonly msg: string;
  readonly event?: string;
  readonly address?: string;
  readonly [field: string]: unknown;
}

export interface Command {
  readonly pid: number;
  stdout: string;
  stderr: string;
  exit: { code: number | null; signal: NodeJS.Signals | null } | undefined;
  log(): LogLine[];
  kill(signal: NodeJS.Signals): void;
  /** Whether anybody reads its stdout. */
  readLog(on: boolean): void;
  ended(timeoutMs?: number): Promise<number | null>;
}

export interface Order {
  readonly args?: string[];
  readonly env?: Record<string, string>;
  /** More arguments of node itself. */
  readonly node?: string[];
  /** For startCommand: how long it may take until it listens. Default 30,000. */
  readonly startMs?: number;
  /** For startCommand: HOLDFAST_ADMIN_TOKEN is not set. */
  readonly withoutToken?: boolean;
}

export function runCommand(t: OptionalOwner, { args = [], env = {}, node = [] }: Order = {}): Command {
  const child = spawn(process.execPath, ['--import', 'tsx', ...node, join(root, 'src/server.ts'), ...args], {
    cwd: root,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const command: Command = {
    pid: child.pid ?? -1,
    stdout: '',
    stderr: '',
    exit: undefined,
    log: () =>
      command.stdout
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as LogLine),
    kill: (signal) => void child.kill(signal),
    readLog: (on) => void (on ? child.stdout.resume() : child.stdout.pause()),
    ended: async (timeoutMs = 15_000) => {
      await withTimeout(closed, timeoutMs, () => `the command to end\n${command.stdout}${command.stderr}`);
      return command.exit?.code ?? null;
    },
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    command.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    command.stderr += text;
  });
  const closed = new Promise<void>((resolve) => {
    child.on('close', (code, signal) => {
      command.exit = { code, signal };
      resolve();
    });
  });
  endWith(t, async () => {
    if (command.exit !== undefined) return;
    child.kill('SIGKILL');
    await closed;
  });
  return command;
}

export interface RunningCommand extends Command {
  /** http://127.0.0.1:port */
  readonly http: string;
  readonly ws: string;
  /** `ca`: PEM, where it serves https. */
  admin(method: string, path: string, body?: object, ca?: string): Promise<{ status: number; body: unknown }>;
}

/** Resolves when it listens, on a free port of 127.0.0.1 unless the environment says otherwise. */
export async function startCommand(t: OptionalOwner, order: Order = {}): Promise<RunningCommand> {
  const command = runCommand(t, {
    ...order,
    env: {
      HOLDFAST_PORT: '0',
      ...(order.withoutToken === true ? {} : { HOLDFAST_ADMIN_TOKEN: commandToken }),
      ...order.env,
    },
  });
  let line: LogLine | undefined;
  await until(
    () => {
      line = command.log().find((one) => one.msg.startsWith('listening on'));
      return line !== undefined || command.exit !== undefined;
    },
    { timeoutMs: order.startMs ?? 30_000, what: () => `the command to listen\n${command.stdout}${command.stderr}` },
  );
  const http = line?.address;
  assert.ok(http, command.stderr);
  return Object.assign(command, {
    http,
    ws: `${http.replace('http', 'ws')}/ws`,
    admin: (method: string, path: string, body?: object, ca?: string) =>
      new Promise<{ status: number; body: unknown }>((resolve, reject) => {
        const headers = {
          authorization: `Bearer ${commandToken}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        };
        const options = { method, headers, ca, agent: false };
        const request = http.startsWith('https') ? httpsRequest : httpRequest;
        request(`${http}${path}`, options, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (more: string) => {
            text += more;
          });
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, body: text === '' ? null : (JSON.parse(text) as unknown) }),
          );
        })
          .on('error', reject)
          .end(body === undefined ? undefined : JSON.stringify(body));
      }),
  });
}

/** A folder of its own that goes with the test. */
export function temporaryFolder(t: OptionalOwner): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-command-'));
  endWith(t, () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** @returns its path. */
export function configFile(t: OptionalOwner, content: string): string {
  const file = join(temporaryFolder(t), 'holdfast.json');
  writeFileSync(file, content);
  return file;
}
