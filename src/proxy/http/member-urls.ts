/**
 * Where the members of a cluster are: asked of their peers' HTTP API (`/members`), and remembered in
 * the file `cluster`, so that a proxy finds its cluster again after the members have moved.
 */
import { parseEtcdUrl } from "../../base/etcd-url.ts";
import type { Disk } from "../../env/disk.ts";
import type { Logger } from "../../env/logger.ts";
import type { PeerHttp } from "../../transport/peer/peer-http.ts";

/** As etcd's. */
const MEMBERS_TIMEOUT_MS = 10_000;
/** A list of members, or the file; a thousand members with long names take less. */
const MAX_LIST_BYTES = 1024 * 1024;

interface MemberURLs {
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
}

export interface MemberURLsDeps {
  readonly disk: Pick<
    Disk,
    "stat" | "readFile" | "open" | "rename" | "syncDirectory" | "makeDirectories" | "join"
  >;
  readonly logger: Logger;
  readonly http: PeerHttp;
}

export class MemberURLsFinder {
  readonly #deps: MemberURLsDeps;
  readonly #directory: string;
  #peerURLs: readonly string[] = [];
  #onDisk = "";

  /** `directory` is that of the proxy, in the data directory. */
  constructor(directory: string, deps: MemberURLsDeps) {
    this.#directory = directory;
    this.#deps = deps;
  }

  get file(): string {
    return this.#deps.disk.join(this.#directory, "cluster");
  }

  /** What the file says; undefined without one. Throws when it is damaged. */
  remembered(): readonly string[] | undefined {
    const { disk } = this.#deps;
    if (disk.stat(this.file) === undefined) return undefined;
    this.#onDisk = Buffer.from(disk.readFile(this.file, MAX_LIST_BYTES)).toString();
    const parsed: unknown = JSON.parse(this.#onDisk);
    return textsOf(fieldsOf(parsed)["PeerURLs"]);
  }

  begin(peerURLs: readonly string[]): void {
    this.#peerURLs = peerURLs;
    this.#deps.disk.makeDirectories(this.#directory, 0o700);
  }

  /** Client URLs of all members, by the first peer that answers; none when none does. */
  async findClientURLs(): Promise<readonly string[]> {
    const { logger } = this.#deps;
    const found = await this.#askPeers();
    if (found === undefined) {
      logger.warn("failed to get cluster from remote peers", {
        "peer-urls": this.#peerURLs,
        error: "could not retrieve cluster information from the given URLs",
      });
      return [];
    }
    try {
      this.#remember(found.peerURLs);
    } catch (error) {
      logger.warn("proxy failed to write cluster file", { error });
      return found.clientURLs;
    }
    if (String(found.peerURLs) !== String(this.#peerURLs)) {
      logger.info("proxy updated peer URLs", { from: this.#peerURLs, to: found.peerURLs });
    }
    this.#peerURLs = found.peerURLs;
    return found.clientURLs;
  }

  async #askPeers(): Promise<MemberURLs | undefined> {
    const { http, logger } = this.#deps;
    for (const peerURL of this.#peerURLs) {
      const address = `${peerURL}/members`;
      try {
        const { status, body } = await http.exchange(parseEtcdUrl(peerURL), {
          method: "GET",
          path: "/members",
          headers: {},
          timeoutMs: MEMBERS_TIMEOUT_MS,
          limitBytes: MAX_LIST_BYTES,
        });
        const found = status === 200 ? parseMembers(Buffer.from(body).toString()) : undefined;
        if (found !== undefined) return found;
        logger.warn("failed to get cluster response", { address, status });
      } catch (error) {
        logger.warn("failed to get cluster response", { address, error });
      }
    }
    return undefined;
  }

  /** Durable before it takes the old file's place. */
  #remember(peerURLs: readonly string[]): void {
    const text = JSON.stringify({ PeerURLs: peerURLs });
    if (text === this.#onDisk) return;
    const { disk } = this.#deps;
    const next = `${this.file}.bak`;
    const file = disk.open(next, { create: true, truncate: true, mode: 0o600 });
    try {
      file.writeSync(Buffer.from(text), 0);
      file.datasyncSync();
    } finally {
      file.close();
    }
    disk.rename(next, this.file);
    disk.syncDirectory(this.#directory);
    this.#onDisk = text;
  }
}

/** URLs in byte order, as etcd lists them; undefined when nobody is there. */
function parseMembers(text: string): MemberURLs | undefined {
  const members: unknown = JSON.parse(text);
  if (!Array.isArray(members) || members.length === 0) return undefined;
  const all = (name: string): string[] =>
    members.flatMap((member) => textsOf(fieldsOf(member)[name])).sort();
  return { peerURLs: all("peerURLs"), clientURLs: all("clientURLs") };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) throw new SyntaxError("not an object");
  return value as Record<string, unknown>;
}

function textsOf(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every((each) => typeof each === "string")) {
    throw new SyntaxError("not a list of texts");
  }
  return value;
}
