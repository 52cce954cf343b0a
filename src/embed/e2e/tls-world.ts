/** Members with certificates for the tests of TLS: one authority, its files, and plain questions. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { EtcdClient } from "../../client/index.ts";
import { MemoryLogger } from "../../env/testing/index.ts";
import { type Issued, TestAuthority } from "../../platform/tls/testing/authority.ts";
import { createConfig, type EtcdConfigInput, type RunningEtcd, startEtcd } from "../index.ts";
import { within } from "./wait.ts";

export interface Member {
  readonly etcd: RunningEtcd;
  readonly logger: MemoryLogger;
}

/** What an HTTPS question led to: an answer, or the code of the error. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Serial number of the certificate that the server showed. */
  readonly serial: string;
}

export class TlsWorld {
  readonly directory: string = mkdtempSync(join(tmpdir(), "etcd-tls-"));
  readonly authority: TestAuthority = new TestAuthority();
  readonly ca: string;
  /** A client whom members trust. */
  readonly ann: Issued;
  readonly #cleanUps: (() => Promise<void> | void)[] = [];

  constructor() {
    this.ca = this.file("ca.crt", this.authority.cert);
    this.ann = this.authority.issue({ commonName: "ann", hosts: ["ann.example"] });
  }

  file(name: string, content: string | Buffer): string {
    const path = join(this.directory, name);
    writeFileSync(path, content);
    return path;
  }

  read(name: string): string {
    return readFileSync(join(this.directory, name), "utf8");
  }

  /** Writes a pair; a member that watches these files takes it at the next connection. */
  pair(name: string, issued: Issued): { readonly certFile: string; readonly keyFile: string } {
    return {
      certFile: this.file(`${name}.crt`, issued.cert),
      keyFile: this.file(`${name}.key`, issued.key),
    };
  }

  async start(name: string, input: EtcdConfigInput): Promise<Member> {
    const member = await this.begin(name, input);
    await within(member.etcd.ready, `${name} to be ready`);
    return member;
  }

  /** Does not wait until it serves, which takes a quorum. */
  async begin(name: string, input: EtcdConfigInput): Promise<Member> {
    const logger = new MemoryLogger();
    const dataDir = join(this.directory, name);
    const listenPeerUrls = ["http://127.0.0.1:0"];
    const config = createConfig({ name, dataDir, listenPeerUrls, ...input });
    const etcd = await startEtcd(config, { logger });
    this.#cleanUps.push(() => etcd.stop());
    return { etcd, logger };
  }

  client(endpoints: string | readonly string[], shown: Partial<Issued> = this.ann): EtcdClient {
    const tls = { ca: this.authority.cert, ...shown };
    const client = new EtcdClient({ endpoints, tls, dialTimeoutMs: 10_000 });
    this.#cleanUps.push(() => client.close());
    return client;
  }

  /** GET over HTTP/1.1 on a connection of its own. Resolves with the error's code on failure. */
  get(url: string, shown: Partial<Issued & { ca: string }> = this.ann): Promise<Answer | string> {
    return new Promise((resolve) => {
      const outgoing = request(url, { ca: this.authority.cert, agent: false, ...shown });
      outgoing.once("error", (error: NodeJS.ErrnoException) =>
        resolve(error.code ?? error.message),
      );
      outgoing.once("response", (incoming) => {
        const { serialNumber: serial } = (incoming.socket as TLSSocket).getPeerCertificate();
        let body = "";
        incoming.setEncoding("utf8").on("data", (text: string) => {
          body += text;
        });
        incoming.once("end", () => resolve({ status: incoming.statusCode ?? 0, body, serial }));
      });
      outgoing.end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const cleanUp of this.#cleanUps.reverse()) await cleanUp();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
