/** `etcdctl make-mirror`: copies keys to another cluster, then follows what happens to them. */
import { EtcdClientError, type Op, op } from "../../../client/index.ts";
import { repeat } from "../../../env/sleep.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { bytesOfText } from "../../../base/raw-text.ts";
import { errorText, openSession, Session, splitCredentials } from "../session.ts";
import { readTlsFiles } from "../tls.ts";

const REPORT_INTERVAL_MS = 30_000;

export async function makeMirror(call: Invocation): Promise<void> {
  const { args, flags, io } = call;
  if (args.length !== 1) {
    exitWithError(ExitCode.BAD_ARGS, "make-mirror takes one destination argument");
  }
  const destination = new Session(call, await destinationTarget(call));
  const source = await openSession(call);
  if (flags.bool("no-dest-prefix") && flags.string("dest-prefix") !== "") {
    exitWithError(
      ExitCode.BAD_ARGS,
      "`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one",
    );
  }
  const mirror = new Mirror(source, destination);
  const report = repeat(io.clock, REPORT_INTERVAL_MS, () => io.out(`${mirror.total}\n`));
  try {
    await mirror.run();
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    exitWithError(ExitCode.ERROR, errorText(error));
  } finally {
    report.cancel();
  }
}

async function destinationTarget(call: Invocation): Promise<Session["target"]> {
  const { args, flags } = call;
  const files = {
    cert: flags.string("dest-cert"),
    key: flags.string("dest-key"),
    cacert: flags.string("dest-cacert"),
  };
  const isPlain =
    Object.values(files).every((path) => path === "") && flags.bool("dest-insecure-transport");
  const user = flags.string("dest-user");
  const password = flags.string("dest-password");
  return {
    endpoints: [args[0] ?? ""],
    tls: isPlain ? undefined : readTlsFiles(files),
    credentials:
      user === ""
        ? undefined
        : await splitCredentials(call, user, password, "Destination Password: "),
  };
}

class Mirror {
  /** Keys written or deleted so far. */
  total = 0;
  readonly #source: Session;
  readonly #destination: Session;
  readonly #prefix: Buffer;
  readonly #destinationPrefix: Buffer;
  readonly #maxOps: number;

  constructor(source: Session, destination: Session) {
    const { flags } = source.call;
    this.#source = source;
    this.#destination = destination;
    this.#prefix = bytesOfText(flags.string("prefix"));
    const given = flags.string("dest-prefix");
    const keepsPrefix = !flags.bool("no-dest-prefix") && given === "";
    this.#destinationPrefix = keepsPrefix ? this.#prefix : bytesOfText(given);
    this.#maxOps = Math.max(1, flags.number("max-txn-ops"));
  }

  /** Ends only with an error. */
  async run(): Promise<void> {
    const start = this.#source.call.flags.number("rev");
    const from = start > 1 ? start : (await this.#copyAll()) + 1;
    const watcher = this.#source.client.watch(this.#prefix, { prefix: true, startRevision: from });
    for await (const { events } of watcher) {
      let revision = 0;
      let ops: Op[] = [];
      for (const { type, kv } of events) {
        // A transaction there for a transaction here: a key may occur once in each.
        if (ops.length === this.#maxOps || (revision !== 0 && kv.modRevision !== revision)) {
          await this.#commit(ops);
          ops = [];
        }
        revision = kv.modRevision;
        const key = this.#translate(kv.key);
        ops.push(type === "put" ? op.put(key, kv.value) : op.delete(key));
        this.total++;
      }
      await this.#commit(ops);
    }
  }

  /** Returns the revision that was copied. */
  async #copyAll(): Promise<number> {
    let revision = 0;
    for await (const page of this.#source.client.kv.pages(this.#prefix, { prefix: true })) {
      if (revision === 0) revision = page.revision;
      for (const { key, value } of page.kvs) {
        await this.#destination.client.kv.put(this.#translate(key), value);
        this.total++;
      }
    }
    return revision;
  }

  async #commit(ops: readonly Op[]): Promise<void> {
    if (ops.length > 0)
      await this.#destination.client.kv
        .txn()
        .do(...ops)
        .commit();
  }

  #translate(key: Uint8Array): Uint8Array {
    return Buffer.concat([this.#destinationPrefix, key.subarray(this.#prefix.length)]);
  }
}
