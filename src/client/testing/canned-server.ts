/** HTTP/2 servers whose answers a test writes down, and clients of them. */
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { Server } from "node:net";
import { EtcdClient } from "../index.ts";

export function grpcMessage(body: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

export const GRPC = { ":status": 200, "content-type": "application/grpc" };

/** Ends a call with messages and a status. */
export function answer(
  stream: ServerHttp2Stream,
  messages: readonly Uint8Array[],
  status = 0,
  text = "",
): void {
  stream.respond(GRPC, { waitForTrailers: true });
  stream.on("wantTrailers", () =>
    stream.sendTrailers({ "grpc-status": String(status), "grpc-message": text }),
  );
  for (const message of messages) stream.write(grpcMessage(message));
  stream.end();
}

export async function withClient(
  server: Server,
  run: (client: EtcdClient) => Promise<void>,
): Promise<void> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const client = new EtcdClient({
    endpoints: `127.0.0.1:${port}`,
    dialTimeoutMs: 2_000,
    backoffMs: 1,
  });
  try {
    await run(client);
  } finally {
    client.close();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** An HTTP/2 server whose calls `onStream` answers. */
export function withServer(
  onStream: (stream: ServerHttp2Stream, path: string) => void,
  run: (client: EtcdClient) => Promise<void>,
): Promise<void> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    onStream(stream, String(headers[":path"]));
  });
  return withClient(server, run);
}
