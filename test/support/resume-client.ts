/** The client side of holdfast.v1 by hand, over `ws`: tests say what is sent, counted and acknowledged. */

import { type Client, connect } from './client.ts';
import type { OptionalOwner } from './owner.ts';

export interface ControlMessage {
  readonly type: string;
  readonly [key: string]: unknown;
}

export interface Welcome extends ControlMessage {
  readonly pipe: string;
  readonly token: string;
  readonly resumed: boolean;
  readonly received: number;
  readonly protocol: string;
  readonly reason?: string;
}

export interface ResumeClient {
  readonly client: Client;
  readonly welcome: Welcome;
  /** Application texts, in order. */
  readonly texts: string[];
  readonly controls: ControlMessage[];
  control(type: string, fits?: (message: ControlMessage) => boolean): Promise<ControlMessage>;
  text(text: string): Promise<void>;
  send(text: string): void;
  sendControl(message: ControlMessage): void;
}

const mark = '\u001e';

export interface ResumeOptions {
  readonly protocols?: string[];
  readonly resume?: { pipe: string; token: string; received: number; attempt?: number } | null;
  readonly headers?: Record<string, string>;
  /** For the handshake, the welcome, and each wait for a message after them. Default 5,000. */
  readonly timeoutMs?: number;
}

/** Connects, says start, and waits for the welcome. */
export async function connectResumable(
  t: OptionalOwner,
  url: string,
  options: ResumeOptions = {},
): Promise<ResumeClient> {
  const { timeoutMs } = options;
  const client = await connect(t, url, {
    timeoutMs,
    protocols: [...(options.protocols ?? []), 'holdfast.v1'],
    ...(options.headers === undefined ? {} : { headers: options.headers }),
  });
  const texts: string[] = [];
  const controls: ControlMessage[] = [];
  const isControl = (text: string): boolean => text.startsWith(mark) && !text.startsWith(mark + mark);
  const sort = (): void => {
    for (const { text } of client.messages.slice(controls.length + texts.length)) {
      if (isControl(text)) controls.push(JSON.parse(text.slice(1)) as ControlMessage);
      else texts.push(text.startsWith(mark) ? text.slice(1) : text);
    }
  };
  const control = async (
    type: string,
    fits: (message: ControlMessage) => boolean = () => true,
  ): Promise<ControlMessage> => {
    const found = () => {
      sort();
      return controls.find((message) => message.type === type && fits(message));
    };
    await client.waitFor(() => found() !== undefined, { timeoutMs, what: `the message '${type}'` });
    return found()!;
  };
  const sendControl = (message: ControlMessage): void => void client.send(mark + JSON.stringify(message));
  await control('hello');
  sendControl({ type: 'start', resume: options.resume ?? null });
  const welcome = (await control('welcome')) as Welcome;
  return {
    client,
    welcome,
    get texts() {
      sort();
      return texts;
    },
    get controls() {
      sort();
      return controls;
    },
    control,
    text: async (text) => {
      const isThere = () => {
        sort();
        return texts.includes(text);
      };
      await client.waitFor(isThere, { timeoutMs, what: `'${text.slice(0, 100)}'` });
    },
    send: (text) => void client.send(text.startsWith(mark) ? mark + text : text),
    sendControl,
  };
}
