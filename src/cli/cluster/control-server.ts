/** The launcher's end of the control channel. */
import { errorMessage } from "../../base/error-message.ts";
import { unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import {
  type ControlReply,
  type ControlRequest,
  MAX_CONTROL_CONNECTIONS,
  MAX_REQUEST_BYTES,
  parseRequest,
  REQUEST_TIMEOUT_MS,
} from "./control-protocol.ts";

export type ControlHandler = (request: ControlRequest) => Promise<ControlReply>;

export class ControlServer {
  readonly #server: Server;
  /** Connections that have not said yet what they want. */
  readonly #reading = new Set<Socket>();
  /** Requests that are carried out. */
  readonly #working = new Set<Promise<void>>();

  private constructor(handler: ControlHandler) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      const work = this.#serve(socket, handler).finally(() => this.#working.delete(work));
      this.#working.add(work);
    });
    this.#server.maxConnections = MAX_CONTROL_CONNECTIONS;
  }

  /** Undefined when another launcher listens there. */
  static async open(path: string, handler: ControlHandler): Promise<ControlServer | undefined> {
    const control = new ControlServer(handler);
    if (await control.#listen(path)) return control;
    if (await answers(path)) return undefined;
    // Left behind by a launcher that was killed.
    unlinkSync(path);
    return (await control.#listen(path)) ? control : undefined;
  }

  #listen(path: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException): void => {
        if (error.code === "EADDRINUSE") resolve(false);
        else reject(error);
      };
      this.#server.once("error", onError);
      this.#server.listen(path, () => {
        this.#server.off("error", onError);
        resolve(true);
      });
    });
  }

  async #serve(socket: Socket, handler: ControlHandler): Promise<void> {
    socket.on("error", () => socket.destroy());
    this.#reading.add(socket);
    const line = await readRequest(socket);
    this.#reading.delete(socket);
    const request = line === undefined ? undefined : parseRequest(line);
    const reply: ControlReply =
      request === undefined
        ? { kind: "refused", reason: "not a request of etcd-cluster" }
        : await handler(request).catch(refusal);
    socket.write(`${JSON.stringify(reply)}\n`);
    // A peer that keeps its half open must not keep the launcher.
    socket.destroySoon();
  }

  /** Takes no more requests; those that are carried out are still answered. */
  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#reading) socket.destroy();
    await Promise.all(this.#working);
  }
}

function refusal(error: unknown): ControlReply {
  return { kind: "refused", reason: errorMessage(error) };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** One line; undefined when it is too long, does not come, or the peer leaves. */
function readRequest(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.setTimeout(REQUEST_TIMEOUT_MS, () => finish(undefined));
    const finish = (line: string | undefined): void => {
      socket.setTimeout(0);
      socket.off("data", onData);
      socket.resume();
      resolve(line);
    };
    const onData = (chunk: string): void => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) finish(text.slice(0, end));
      else if (text.length > MAX_REQUEST_BYTES) finish(undefined);
    };
    socket.on("data", onData);
    socket.once("end", () => finish(undefined));
    socket.once("close", () => finish(undefined));
  });
}
