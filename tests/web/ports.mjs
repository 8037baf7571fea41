// Stand-ins for workers.

/** A port whose other side is the test. */
export function fakePort() {
  const port = {
    sent: [], terminated: 0, held: 0,
    post: (message, transfer) => port.sent.push({ message, transfer }),
    terminate: () => port.terminated++,
    hold: () => port.held++,
    release: () => port.held--,
    listen(reply, dead) { Object.assign(port, { reply, dead }); },
  };
  return port;
}
