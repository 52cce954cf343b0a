/** Commands that wait for changes; an interrupt ends them with success. */
import type { Action } from "./actions.ts";
import type { ActionName } from "./command-table.ts";
import { CliExit } from "../framework/exit.ts";
import { quote } from "../../base/go-quote.ts";
import { requireKey } from "./key-commands.ts";
import { KeysApi, type KeyResponse } from "./keys-api.ts";
import { printResponse } from "./print-response.ts";
import { type Session, V2Exit } from "./session.ts";

function endOnInterrupt(): void {
  process.on("SIGINT", () => process.exit(0));
}

/** Events of a key from the index after --after-index on, without end. */
async function* eventsOf(
  session: Session,
  keys: KeysApi,
  key: string,
): AsyncGenerator<KeyResponse, never> {
  const recursive = session.flags.bool("recursive");
  const after = BigInt.asUintN(64, session.flags.int("after-index"));
  let index = after > 0n ? String(BigInt.asUintN(64, after + 1n)) : "0";
  for (;;) {
    try {
      const response = await keys.next(key, { index, recursive });
      index = String(response.node.modifiedIndex + 1);
      yield response;
    } catch (error) {
      if (error instanceof CliExit) throw error;
      session.fail(V2Exit.SERVER_ERROR, error);
    }
  }
}

const watch: Action = async (session) => {
  const keys = new KeysApi(await session.client());
  const key = requireKey(session);
  endOnInterrupt();
  for await (const response of eventsOf(session, keys, key)) {
    if (response.node.dir) continue;
    if (session.flags.bool("recursive")) {
      session.io.out(`[${response.action}] ${response.node.key}\n`);
    }
    printResponse(session.io, response, session.output);
    if (!session.flags.bool("forever")) return;
  }
};

const execWatch: Action = async (session) => {
  const keys = new KeysApi(await session.client());
  const { key, command } = keyAndCommand(session);
  endOnInterrupt();
  for await (const response of eventsOf(session, keys, key)) {
    if (response.node.dir) {
      session.io.err(`Ignored dir ${response.node.key} change\n`);
      continue;
    }
    await start(session, command, response);
  }
};

/** Without `--` behind the key, the key is the last argument, since flags moved to the front. */
function keyAndCommand(session: Session): {
  readonly key: string;
  readonly command: readonly string[];
} {
  const { args } = session;
  if (args.length < 2) session.fail(V2Exit.BAD_ARGS, "key and command to exec required");
  const separator = args.indexOf("--", 1);
  return separator > 0
    ? { key: args[0] ?? "", command: args.slice(2) }
    : { key: args.at(-1) ?? "", command: args.slice(0, -1) };
}

/** Resolves when the command runs; its end is not awaited. */
async function start(
  session: Session,
  [program = "", ...args]: readonly string[],
  { action, node }: KeyResponse,
): Promise<void> {
  const { spawn } = await import("node:child_process");
  const env = {
    ...session.io.env,
    ETCD_WATCH_ACTION: action,
    ETCD_WATCH_MODIFIED_INDEX: String(node.modifiedIndex),
    ETCD_WATCH_KEY: node.key,
    ETCD_WATCH_VALUE: node.value,
  };
  const child = spawn(program, args, { env, stdio: ["ignore", "inherit", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", ({ message, code }: NodeJS.ErrnoException) => {
      const isAbsent = code === "ENOENT" && !program.includes("/");
      const reason = isAbsent
        ? `exec: ${quote(program)}: executable file not found in $PATH`
        : message;
      session.io.err(reason);
      reject(new CliExit(V2Exit.BAD_ARGS));
    });
  });
}

/** By the names of the command table. */
export const WATCH_ACTIONS = { watch, execWatch } satisfies Partial<Record<ActionName, Action>>;
