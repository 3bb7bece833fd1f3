/** A config file whose reader waits until the test gives what is in it: the start of the command, held in the middle. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './command.ts';
import type { OptionalOwner } from './owner.ts';
import { until } from './wait.ts';

export interface HeldConfig {
  readonly file: string;
  /** Until somebody waits for it. */
  asked(timeoutMs: number): Promise<void>;
  /** @param later what a plain file in its place has from now on. */
  give(now: string, later?: string): void;
}

export function heldConfig(t: OptionalOwner): HeldConfig {
  const folder = temporaryFolder(t);
  const file = join(folder, 'holdfast.json');
  execFileSync('mkfifo', [file]);
  let pipe: number | undefined;
  const isAsked = (): boolean => {
    try {
      pipe = openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
      return true;
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENXIO');
      return false;
    }
  };
  return {
    file,
    asked: async (timeoutMs) => {
      await until(isAsked, { timeoutMs, what: 'the settings to be read' });
    },
    give: (now, later = now) => {
      const plain = join(folder, 'later.json');
      writeFileSync(plain, later);
      renameSync(plain, file);
      assert.ok(pipe !== undefined, 'nobody has asked');
      writeFileSync(pipe, now);
      closeSync(pipe);
    },
  };
}
