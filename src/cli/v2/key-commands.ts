/** Commands about keys and directories, apart from watches. */
import { textOfBytes } from "../../base/raw-text.ts";
import type { Action } from "./actions.ts";
import type { ActionName } from "./command-table.ts";
import { KeysApi, type KeyNode, type KeyResponse } from "./keys-api.ts";
import { printResponse } from "./print-response.ts";
import { type Session, V2Exit } from "./session.ts";

async function openKeys(session: Session): Promise<KeysApi> {
  return new KeysApi(await session.client());
}

/** The call's answer; ends the command with the server's error. */
async function answerOf(session: Session, call: Promise<KeyResponse>): Promise<KeyResponse> {
  try {
    return await call;
  } catch (error) {
    return session.fail(V2Exit.SERVER_ERROR, error);
  }
}

export function requireKey(session: Session): string {
  return session.args[0] ?? session.fail(V2Exit.BAD_ARGS, "key required");
}

/** The second argument, or all of standard input. */
async function requireValue(session: Session): Promise<string> {
  const given = session.args[1];
  if (given !== undefined) return given;
  const input = textOfBytes(await session.io.stdin.readAll());
  return input === "" ? session.fail(V2Exit.BAD_ARGS, "value required") : input;
}

/** Seconds, as a Go duration can hold them. */
function ttlOf(session: Session): bigint {
  const nanoseconds = BigInt.asIntN(64, session.flags.int("ttl") * 1_000_000_000n);
  return nanoseconds / 1_000_000_000n;
}

async function storeValue(session: Session, prevExist: boolean | undefined): Promise<void> {
  const keys = await openKeys(session);
  const key = requireKey(session);
  const value = await requireValue(session);
  const exist = prevExist === undefined ? {} : { prevExist };
  const options = { ttlSeconds: ttlOf(session), ...exist };
  const call = keys.set(key, value, options, session.deadline());
  printResponse(session.io, await answerOf(session, call), session.output);
}

const mk: Action = async (session) => {
  if (!session.flags.bool("in-order")) return await storeValue(session, false);
  const keys = await openKeys(session);
  const key = requireKey(session);
  const value = await requireValue(session);
  const call = keys.createInOrder(key, value, ttlOf(session), session.deadline());
  printResponse(session.io, await answerOf(session, call), session.output);
};

const update: Action = (session) => storeValue(session, true);

const set: Action = async (session) => {
  const keys = await openKeys(session);
  const key = requireKey(session);
  const value = await requireValue(session);
  const { flags } = session;
  const options = {
    ttlSeconds: ttlOf(session),
    prevValue: flags.string("swap-with-value"),
    prevIndex: flags.int("swap-with-index"),
  };
  const call = keys.set(key, value, options, session.deadline());
  printResponse(session.io, await answerOf(session, call), session.output);
};

async function storeDirectory(session: Session, prevExist: boolean | undefined): Promise<void> {
  const keys = await openKeys(session);
  const key = requireKey(session);
  const exist = prevExist === undefined ? {} : { prevExist };
  const options = { ttlSeconds: ttlOf(session), dir: true, ...exist };
  const response = await answerOf(session, keys.set(key, "", options, session.deadline()));
  if (session.output !== "simple") printResponse(session.io, response, session.output);
}

const mkdir: Action = (session) => storeDirectory(session, false);
const setdir: Action = (session) => storeDirectory(session, undefined);
const updatedir: Action = (session) => storeDirectory(session, true);

function printRemoved(session: Session, response: KeyResponse): void {
  if (response.node.dir && session.output === "simple") return;
  printResponse(session.io, response, session.output);
}

const rm: Action = async (session) => {
  const keys = await openKeys(session);
  const key = requireKey(session);
  const { flags } = session;
  const options = {
    dir: flags.bool("dir"),
    recursive: flags.bool("recursive"),
    prevValue: flags.string("with-value"),
    prevIndex: flags.int("with-index"),
  };
  printRemoved(session, await answerOf(session, keys.delete(key, options, session.deadline())));
};

const rmdir: Action = async (session) => {
  const keys = await openKeys(session);
  const key = requireKey(session);
  const call = keys.delete(key, { dir: true }, session.deadline());
  printRemoved(session, await answerOf(session, call));
};

const get: Action = async (session) => {
  const keys = await openKeys(session);
  const key = requireKey(session);
  const { flags } = session;
  const how = { sorted: flags.bool("sort"), quorum: flags.bool("quorum"), recursive: false };
  const response = await answerOf(session, keys.get(key, how, session.deadline()));
  if (response.node.dir) session.refuse(`${response.node.key}: is a directory`);
  printResponse(session.io, response, session.output);
};

const ls: Action = async (session) => {
  const keys = await openKeys(session);
  const { flags } = session;
  const how = {
    sorted: flags.bool("sort"),
    quorum: flags.bool("quorum"),
    recursive: flags.bool("recursive"),
  };
  const call = keys.get(session.args[0] ?? "/", how, session.deadline());
  const response = await answerOf(session, call);
  if (session.output !== "simple") {
    printResponse(session.io, response, session.output);
    return;
  }
  const { node } = response;
  const names = (node.nodes ?? []).flatMap((child) => namesIn(child, flags.bool("p")));
  const lines = node.dir ? names : [node.key, ...names];
  if (lines.length > 0) session.io.out(`${lines.join("\n")}\n`);
};

function namesIn(node: KeyNode, marksDirectories: boolean): string[] {
  const name = node.dir && marksDirectories ? `${node.key}/` : node.key;
  return [name, ...(node.nodes ?? []).flatMap((child) => namesIn(child, marksDirectories))];
}

/** By the names of the command table. */
export const KEY_ACTIONS = {
  mk,
  mkdir,
  rm,
  rmdir,
  get,
  ls,
  set,
  setdir,
  update,
  updatedir,
} satisfies Partial<Record<ActionName, Action>>;
