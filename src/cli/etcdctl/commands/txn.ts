/** `etcdctl txn`: conditions and operations from standard input, one a line, lists ended by a blank. */
import { type Compare, RequestOp, TxnRequest } from "../../../api/gen/rpc.ts";
import { METHODS } from "../../../client/index.ts";
import { Command, type CommandSpec, type Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { FlagSet } from "../../framework/flags.ts";
import type { Io } from "../../framework/io.ts";
import { parseCompare } from "../compare-line.ts";
import { DEL_ROW, GET_ROW, PUT_ROW } from "../key-rows.ts";
import { txnView } from "../key-view.ts";
import { openSession } from "../session.ts";
import { show } from "../view.ts";
import { splitWords } from "../words.ts";
import { delRequest } from "./del.ts";
import { getRequest } from "./get.ts";
import { putRequest } from "./put.ts";

export async function txn(call: Invocation): Promise<void> {
  const { args, flags, io } = call;
  if (args.length !== 0) exitWithError(ExitCode.BAD_ARGS, "txn command does not accept argument");
  const session = await openSession(call);
  const prompt = (text: string): void => {
    if (flags.bool("interactive")) io.out(`${text}\n`);
  };
  prompt("compares:");
  const compare: Compare[] = [];
  for await (const line of section(io)) {
    const parsed = parseCompare(line);
    if ("error" in parsed) exitWithError(ExitCode.INVALID_INPUT, parsed.error);
    compare.push(parsed.value);
  }
  prompt("success requests (get, put, del):");
  const success = await readOperations(io);
  prompt("failure requests (get, put, del):");
  const failure = await readOperations(io);
  const request = TxnRequest.create({ compare, success, failure });
  session.checkSize("KV/Txn", TxnRequest.size(request));
  const answer = session.client.call(METHODS.txn, request, session.bounded);
  show(call, txnView(await session.must("KV/Txn", answer)));
}

/** The lines up to the next blank one. A section that the end of the input cuts off is refused. */
async function* section(io: Io): AsyncGenerator<string, void, void> {
  for (;;) {
    const line = await io.stdin.readLine();
    if (line?.endsWith("\n") !== true) exitWithError(ExitCode.INVALID_INPUT, "EOF");
    const trimmed = line.trim();
    if (trimmed === "") return;
    yield trimmed;
  }
}

async function readOperations(io: Io): Promise<RequestOp[]> {
  const operations: RequestOp[] = [];
  for await (const line of section(io)) operations.push(await parseOperation(line));
  return operations;
}

const ROWS: readonly CommandSpec[] = [PUT_ROW, GET_ROW, DEL_ROW];

/** A get, put or del command with its flags. */
async function parseOperation(line: string): Promise<RequestOp> {
  const words = splitWords(line);
  if (words.length < 2) {
    exitWithError(ExitCode.INVALID_INPUT, `invalid txn compare request: ${line}`);
  }
  const [name = "", ...rest] = words;
  const near = ROWS.filter(({ use }) => use.startsWith(name));
  const row = near.length === 1 ? near[0] : undefined;
  const refuse = (): never => exitWithError(ExitCode.INVALID_INPUT, `invalid txn request: ${line}`);
  if (row === undefined) return refuse();
  const command = new Command(row);
  const flags = new FlagSet(command.localFlags);
  if (flags.parse(rest) !== undefined) return refuse();
  const { args } = flags;
  switch (command.name) {
    case "put": {
      const value = await putRequest(args, flags, undefined);
      return RequestOp.create({ request: { case: "requestPut", value } });
    }
    case "get":
      return RequestOp.create({
        request: { case: "requestRange", value: getRequest(args, flags) },
      });
    default:
      return RequestOp.create({
        request: { case: "requestDeleteRange", value: delRequest(args, flags) },
      });
  }
}
