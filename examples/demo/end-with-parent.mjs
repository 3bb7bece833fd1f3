// Loaded before the demo's processes (node --import): they end when the demo does, even if it was killed.
process.stdin.resume();
process.stdin.on('error', () => {});
process.stdin.on('close', () => process.kill(process.pid, 'SIGKILL'));
process.stdin.unref();
