/**
 * Members that reach each other without sockets: messages and requests are delivered a turn later,
 * as bytes, so that no object is shared. Links can be cut.
 */
import { Message } from "../../api/gen/raft.ts";
import type { MemberID } from "../../base/ids.ts";
import {
  type DatabaseImage,
  HttpBodyTooLarge,
  type HttpHandler,
  type PeerNetwork,
  type PeerNode,
  type PeerRequest,
  PeerRequestError,
  type PeerResponse,
} from "../../env/index.ts";

/** The wires between all members of a test. */
export class TestWires {
  readonly links = new Map<string, TestNetwork>();
  /** Peer URLs of members that nobody reaches and that reach nobody. */
  readonly cut = new Set<string>();

  /** What has arrived at members that do not look at it now, by their URL. */
  readonly #held = new Map<string, (() => void)[]>();

  hold(url: string): void {
    if (!this.#held.has(url)) this.#held.set(url, []);
  }

  release(url: string): void {
    const held = this.#held.get(url) ?? [];
    this.#held.delete(url);
    // One by one, as they come from different connections.
    for (const deliver of held) setImmediate(deliver);
  }

  /** Now, or when the member looks at what has arrived. */
  deliver(url: string, deliver: () => void): void {
    const held = this.#held.get(url);
    if (held === undefined) deliver();
    else held.push(deliver);
  }

  reaches(from: string, to: string): boolean {
    return !this.cut.has(from) && !this.cut.has(to) && this.links.get(to)?.isUp === true;
  }
}

export class TestNetwork implements PeerNetwork {
  readonly #wires: TestWires;
  readonly #url: string;
  readonly #peers = new Map<MemberID, string>();
  #node: PeerNode | undefined;
  /** Answers what other members ask over HTTP. */
  http: HttpHandler | undefined;

  constructor(wires: TestWires, url: string) {
    this.#wires = wires;
    this.#url = url;
    wires.links.set(url, this);
  }

  get node(): PeerNode | undefined {
    return this.#node;
  }

  get isUp(): boolean {
    return this.#node !== undefined;
  }

  start(node: PeerNode): void {
    this.#node = node;
  }

  addPeer(id: MemberID, peerURLs: readonly string[]): void {
    this.#peers.set(id, peerURLs[0] ?? "");
  }

  addRemote(id: MemberID, peerURLs: readonly string[]): void {
    this.addPeer(id, peerURLs);
  }

  updatePeer(id: MemberID, peerURLs: readonly string[]): void {
    this.addPeer(id, peerURLs);
  }

  removePeer(id: MemberID): void {
    this.#peers.delete(id);
  }

  send(messages: readonly Message[]): void {
    for (const message of messages) {
      const url = this.#peers.get(message.to) ?? "";
      const bytes = Message.encode(message);
      setImmediate(() => {
        const node = this.#wires.links.get(url)?.node;
        if (node === undefined || !this.#wires.reaches(this.#url, url)) {
          this.#node?.reportUnreachable(message.to);
        } else this.#wires.deliver(url, () => node.receive(Message.decode(bytes)));
      });
    }
  }

  sendSnapshot(message: Message, image: DatabaseImage): void {
    const url = this.#peers.get(message.to) ?? "";
    const node = this.#wires.links.get(url)?.node;
    const bytes = Message.encode(message);
    const isUp = node !== undefined && this.#wires.reaches(this.#url, url);
    const sent = isUp
      ? node.receiveSnapshot(Message.decode(bytes), image.chunks(4096))
      : Promise.reject(new PeerRequestError("unreachable", "connection refused"));
    sent
      .then(
        () => true,
        () => false,
      )
      .then((ok) => {
        image.close();
        this.#node?.reportSnapshot(message.to, ok);
      });
  }

  activeSinceMs(id: MemberID): number | undefined {
    return this.#wires.reaches(this.#url, this.#peers.get(id) ?? "") ? 0 : undefined;
  }

  request(request: PeerRequest): Promise<PeerResponse> {
    const handler = this.#wires.links.get(request.url)?.http;
    if (handler === undefined || !this.#wires.reaches(this.#url, request.url)) {
      return Promise.reject(new PeerRequestError("unreachable", "connection refused"));
    }
    return new Promise((resolve) => {
      this.#wires.deliver(request.url, () => resolve(answer(handler, request)));
    });
  }

  async stop(): Promise<void> {
    this.#node = undefined;
  }
}

function answer(handler: HttpHandler, request: PeerRequest): Promise<PeerResponse> {
  return new Promise((resolve) => {
    let status = 0;
    let headers: Readonly<Record<string, string>> = {};
    const parts: Uint8Array[] = [];
    const body = request.body ?? new Uint8Array(0);
    handler.handle(
      {
        method: request.method,
        path: request.path,
        query: "",
        headers: request.headers ?? {},
        remote: "127.0.0.1:1",
        secure: false,
        certificateName: undefined,
        readBody: async (limitBytes) => {
          if (body.length > limitBytes) throw new HttpBodyTooLarge(limitBytes);
          return body;
        },
        bodyChunks: async function* () {
          yield body;
        },
      },
      {
        head: (code, fields) => {
          status = code;
          headers = fields;
        },
        write: (chunk) => {
          parts.push(Buffer.from(chunk));
          return true;
        },
        end: (chunk) => {
          if (chunk !== undefined) parts.push(Buffer.from(chunk));
          resolve({ status, headers, body: Buffer.concat(parts) });
        },
        abort: () => undefined,
        closed: false,
        onDrain: undefined,
        onClose: undefined,
      },
    );
  });
}
