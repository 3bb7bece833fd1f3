/**
 * The environment for a process that a test or a bench starts: that of whoever runs it, without what is meant for the run itself. The
 * loaders and reporters of a test run are slow to start and would count the child as a test; a gateway takes HOLDFAST_... for its settings.
 */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(HOLDFAST_|NODE_OPTIONS$|NODE_V8_COVERAGE$|NODE_TEST_CONTEXT$)/.test(name),
  );
  return Object.fromEntries(kept);
}
