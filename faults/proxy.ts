/**
 * TCP proxies in front of a member, so that its ways can be cut without being root.
 *
 * All members reach member j by the one peer URL that j advertises, so the proxy must find out who
 * is calling: every raft request of etcd's peer protocol (HTTP/1.1) carries the header
 * X-Server-From with the sender's member ID. A connection belongs to one member; until a request
 * names it (a probe or a question for the version names nobody) its bytes pass.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { CLIENTS, type Links, Pipe } from "./links.ts";

const SENDER = /x-server-from:\s*([0-9a-f]+)\r\n/i;
/** The longest beginning of a header that may stand at the end of a chunk. */
const OVERLAP_BYTES = 64;

/** Ways in and out of one member. */
export class MemberProxy {
  readonly #links: Links;
  readonly #name: string;
  readonly #nameOf: (memberID: string) => string | undefined;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  /** Connections whose sender has no name yet. */
  readonly #anonymous = new Set<() => void>();

  /** `nameOf` tells a member's name by its ID in hex. */
  constructor(links: Links, name: string, nameOf: (memberID: string) => string | undefined) {
    this.#links = links;
    this.#name = name;
    this.#nameOf = nameOf;
  }

  /** Port 0 is any free one; the port that was taken. */
  async listen(kind: "peers" | "clients", port: number, targetPort: number): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) =>
      this.#accept(kind, socket, targetPort),
    );
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", resolve);
    });
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  /** To be called when `nameOf` has learned names. */
  nameConnections(): void {
    for (const resolve of [...this.#anonymous]) resolve();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  #accept(kind: "peers" | "clients", socket: Socket, targetPort: number): void {
    const target = connect({ host: "127.0.0.1", port: targetPort, allowHalfOpen: true });
    for (const each of [socket, target]) {
      each.setNoDelay(true);
      this.#sockets.add(each);
      each.on("error", () => each.destroy());
      each.once("close", () => this.#sockets.delete(each));
    }
    const inward = new Pipe(this.#links, socket, target);
    const outward = new Pipe(this.#links, target, socket);
    const identify = (sender: string): void => {
      inward.from = outward.to = sender;
      inward.to = outward.from = this.#name;
    };
    if (kind === "clients") identify(CLIENTS);
    const search = new SenderSearch();
    const resolve = (): void => {
      const name = search.id === undefined ? undefined : this.#nameOf(search.id);
      if (name === undefined) return;
      identify(name);
      this.#anonymous.delete(resolve);
    };
    if (kind === "peers") this.#anonymous.add(resolve);
    socket.once("close", () => this.#anonymous.delete(resolve));
    socket.on("data", (chunk: Buffer) => {
      if (inward.from === undefined) {
        search.read(chunk);
        resolve();
      }
      inward.push(chunk);
    });
    target.on("data", (chunk: Buffer) => outward.push(chunk));
  }
}

/** Looks for the header in what a peer sends. */
class SenderSearch {
  #tail = "";
  /** The sender's ID in hex, once it was seen. */
  id: string | undefined;

  read(chunk: Buffer): void {
    if (this.id !== undefined) return;
    const text = this.#tail + chunk.toString("latin1");
    this.id = SENDER.exec(text)?.[1]?.toLowerCase();
    this.#tail = text.slice(-OVERLAP_BYTES);
  }
}
