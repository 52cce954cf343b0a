/** TLS handshakes, one after the other on so many connections at a time; none resumes a session. */
import { connect } from "node:tls";
import { Histogram } from "./histogram.ts";
import type { HandshakeJob, LoadResult } from "./jobs.ts";

export async function runHandshakes({
  port,
  connections,
  seconds,
}: HandshakeJob): Promise<LoadResult> {
  const histogram = new Histogram();
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  let operations = 0;
  let errors = 0;
  const shakeHands = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const sinceMs = performance.now();
      if (await handshake(port)) {
        operations++;
        histogram.record(performance.now() - sinceMs);
      } else {
        errors++;
      }
    }
  };
  await Promise.all(Array.from({ length: connections }, shakeHands));
  return {
    operations,
    errors,
    seconds: (performance.now() - startMs) / 1000,
    latency: histogram.summary(),
  };
}

function handshake(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { port, host: "127.0.0.1", ALPNProtocols: ["h2"], rejectUnauthorized: false };
    const socket = connect(options);
    let isDone = false;
    socket.once("secureConnect", () => {
      isDone = true;
      // Not `destroy`: that drops the client's last message, and no server would see the end.
      socket.end();
    });
    socket.on("error", () => socket.destroy());
    socket.once("close", () => resolve(isDone));
    socket.resume();
  });
}
