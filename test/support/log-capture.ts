import { Mailbox } from './mailbox.ts';
import type { WaitOptions } from './wait.ts';

export interface LogLine {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  readonly event?: string;
  readonly [field: string]: unknown;
}

/** Where a pino logger writes in a test: `Fastify({ logger: { level: 'trace', stream: capture } })`. */
export class LogCapture {
  readonly #lines = new Mailbox<LogLine>('log lines');
  #text = '';

  /** All that was written, to search for what must never be there. */
  get text(): string {
    return this.#text;
  }

  get lines(): readonly LogLine[] {
    return this.#lines.all;
  }

  /** The destination's one method. */
  write(text: string): void {
    this.#text += text;
    for (const line of text.split('\n')) if (line !== '') this.#lines.push(parseLine(line));
  }

  /** Lines whose field `event`, or else `msg`, is that name. */
  events(name: string): readonly LogLine[] {
    return this.lines.filter((line) => isEvent(line, name));
  }

  /** The first such line, also of those already written. */
  waitForEvent(
    name: string,
    predicate: (line: LogLine) => boolean = () => true,
    options: WaitOptions = {},
  ): Promise<LogLine> {
    const what = () => `the event '${name}'; seen: ${[...new Set(this.lines.map(nameOf))].join(', ') || 'nothing'}`;
    return this.#lines.waitFor((line) => isEvent(line, name) && predicate(line), { what, ...options });
  }
}

function nameOf(line: LogLine): string {
  return line.event ?? line.msg ?? '';
}

function isEvent(line: LogLine, name: string): boolean {
  return nameOf(line) === name;
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { level: 0, time: 0, msg: line };
  }
}
