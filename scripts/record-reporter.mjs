// A reporter of node:test for scripts/test.mjs: one line for each test file that has reported a test of its own, and the closing lines.
// The runner reports a file without any test as one test that has the name of the file.
import { resolve } from 'node:path';

export default async function* recordReporter(source) {
  const seen = new Set();
  for await (const { type, data } of source) {
    const { file, name, nesting, message } = data;
    if (
      type === 'test:diagnostic' &&
      nesting === 0 &&
      /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(message)
    ) {
      yield `# ${message}\n`;
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (file === undefined || seen.has(file) || resolve(name) === file) continue;
    seen.add(file);
    yield `${file}\n`;
  }
}
