/**
 * A TCP relay in front of a server whose faults tests choose: it can cut connections, refuse new
 * ones, and hold back either direction. With certificates it speaks TLS to its clients.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export class FaultyProxy implements AsyncDisposable {
  readonly #targetPort: number;
  readonly #tls: TlsOptions | undefined;
  readonly #pairs = new Set<Pair>();
  #listener: Server | undefined;
  #port = 0;
  #refusing = false;
  #holdingAnswers = false;
  #holdingRequests = false;
  /** Connections accepted so far. */
  accepted = 0;
  readonly #onAccepted = new Set<() => void>();

  private constructor(endpoint: string, tls: TlsOptions | undefined) {
    this.#targetPort = Number(new URL(endpoint).port);
    this.#tls = tls;
  }

  static async start(endpoint: string, tls?: TlsOptions): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(endpoint, tls);
    await proxy.#listen();
    return proxy;
  }

  get endpoint(): string {
    return `${this.#tls === undefined ? "http" : "https"}://127.0.0.1:${this.#port}`;
  }

  /** Resolves once so many connections were accepted, refused ones included. */
  acceptedReach(count: number): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.accepted < count) return;
        this.#onAccepted.delete(check);
        resolve();
      };
      this.#onAccepted.add(check);
      check();
    });
  }

  /** Ends all connections; new ones are accepted. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    this.#pairs.clear();
  }

  /** Ends all connections, and ends new ones at once, until `restore`. */
  refuse(): void {
    this.#refusing = true;
    this.cut();
  }

  /** What the server says no longer reaches its clients, until `restore`. */
  holdAnswers(): void {
    this.#holdingAnswers = true;
    for (const { server } of this.#pairs) server.pause();
  }

  /** What clients say no longer reaches the server, until `restore`. */
  holdRequests(): void {
    this.#holdingRequests = true;
    for (const { client } of this.#pairs) client.pause();
  }

  restore(): void {
    this.#refusing = false;
    this.#holdingAnswers = false;
    this.#holdingRequests = false;
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#listener?.close(resolve));
  }

  #listen(): Promise<void> {
    const accept = (client: Socket): void => this.#accept(client);
    const listener =
      this.#tls === undefined
        ? createServer({ noDelay: true }, accept)
        : createTlsServer(this.#tls, accept);
    // A client that does not like our certificate; the test sees it on its side.
    listener.on("tlsClientError", () => undefined);
    this.#listener = listener;
    return new Promise((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(0, "127.0.0.1", () => {
        const address = listener.address();
        if (typeof address === "object" && address !== null) this.#port = address.port;
        resolve();
      });
    });
  }

  #accept(client: Socket): void {
    this.accepted++;
    for (const check of [...this.#onAccepted]) check();
    client.on("error", () => undefined);
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const server = connect({ port: this.#targetPort, host: "127.0.0.1", noDelay: true });
    const pair = { client, server };
    this.#pairs.add(pair);
    relay(client, server);
    relay(server, client);
    const end = (): void => {
      client.destroy();
      server.destroy();
      this.#pairs.delete(pair);
    };
    server.on("error", end);
    server.on("close", end);
    client.on("close", end);
    if (this.#holdingAnswers) server.pause();
    if (this.#holdingRequests) client.pause();
  }
}

/** Without back pressure: tests do not send much, and a held direction must stay held. */
function relay(from: Socket, to: Socket): void {
  from.on("data", (chunk) => to.write(chunk));
}
