/** How the command ends when it cannot go on. */

/** It cannot start, through no fault of its settings: exit code 1. The message is one line. */
export class CannotStart extends Error {
  override readonly name = 'CannotStart';
}

/** Ends the process with one line on stderr: code 2 = the settings are wrong, 1 = anything else. */
export function fail(code: 1 | 2, line: string): never {
  process.stderr.write(`holdfast: ${oneLine(line)}\n`);
  process.exit(code);
}

export function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ');
}
