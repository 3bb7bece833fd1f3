// A worker process of node:cluster that only passes messages on, so that the store of a worker can be tried from the test's own process:
// what comes in `down` goes to the primary as it is, and what the primary says comes back in `up`.
process.on('message', (message) => {
  if (message.down !== undefined) process.send(message.down);
  else process.send({ up: message });
});
process.send({ ready: true });
