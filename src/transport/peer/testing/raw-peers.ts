/** Peers that misbehave: a proxy that cuts and stalls, a dialer that does not read, a server. */
import { createServer as createHttpServer, type ServerResponse } from "node:http";
import { connect as netConnect, createServer, type Socket } from "node:net";
import { SERVER_VERSION } from "../../../api/version.ts";
import { formatID, type MemberID } from "../../../base/ids.ts";
import { CLUSTER } from "./peer-world.ts";

export interface Proxy extends AsyncDisposable {
  readonly url: string;
  /** Breaks all connections. */
  cut(): void;
}

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((inner) => {
    const outer = netConnect({ host: hostname, port: Number(port) });
    for (const socket of [inner, outer]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        inner.destroy();
        outer.destroy();
      });
    }
    inner.pipe(outer);
    outer.pipe(inner);
  });
  // Not by a reset: a process of node 24 that resets sockets may never end.
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: await listening(server),
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Dials a stream as member `from` and gives the socket; nothing is read unless the caller does. */
export function dialStream(
  url: string,
  kind: "msgapp" | "message",
  from: MemberID,
  to: MemberID,
): Socket {
  const { hostname, port } = new URL(url);
  const socket = netConnect({ host: hostname, port: Number(port) });
  socket.on("error", () => {});
  socket.write(
    `GET /raft/stream/${kind}/${formatID(from)} HTTP/1.1\r\nHost: x\r\n` +
      `X-Server-From: ${formatID(from)}\r\nX-Server-Version: 3.4.23\r\n` +
      `X-Min-Cluster-Version: 3.0.0\r\nX-Etcd-Cluster-ID: ${formatID(CLUSTER)}\r\n` +
      `X-Raft-To: ${formatID(to)}\r\n\r\n`,
  );
  return socket;
}

export interface StreamServer extends AsyncDisposable {
  readonly url: string;
}

/** Answers every request with good headers, unless given others, and a body by `answer`. */
export async function startStreamServer(
  answer: (response: ServerResponse) => void,
  headers: Readonly<Record<string, string>> = {},
  status = 200,
): Promise<StreamServer> {
  const server = createHttpServer((_request, response) => {
    response.on("error", () => {});
    response.writeHead(status, {
      "X-Server-Version": SERVER_VERSION,
      "X-Etcd-Cluster-ID": formatID(CLUSTER),
      ...headers,
    });
    response.flushHeaders();
    answer(response);
  });
  return {
    url: await listening(server),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listening(server: ReturnType<typeof createServer>): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
    });
  });
}
