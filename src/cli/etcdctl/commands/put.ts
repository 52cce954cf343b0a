/** `etcdctl put`. */
import { PutRequest } from "../../../api/gen/rpc.ts";
import { EMPTY_BYTES } from "../../../base/bytes.ts";
import { METHODS } from "../../../client/index.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import type { FlagSet } from "../../framework/flags.ts";
import type { Stdin } from "../../framework/io.ts";
import { bytesOfText } from "../../../base/raw-text.ts";
import { putView } from "../key-view.ts";
import { leaseIDFrom } from "../numbers.ts";
import { openSession } from "../session.ts";
import { show } from "../view.ts";

const USAGE = "put command needs 1 argument and input from stdin or 2 arguments";

export async function put(call: Invocation): Promise<void> {
  const request = await putRequest(call.args, call.flags, call.io.stdin);
  const session = await openSession(call);
  session.checkSize("KV/Put", PutRequest.size(request));
  const answer = session.client.call(METHODS.put, request, session.bounded);
  show(call, putView(await session.must("KV/Put", answer)));
}

/** Also for `put` inside a transaction; without `stdin` the value must be an argument. */
export async function putRequest(
  args: readonly string[],
  flags: FlagSet,
  stdin: Stdin | undefined,
): Promise<PutRequest> {
  const [key, given] = args;
  if (key === undefined) exitWithError(ExitCode.BAD_ARGS, USAGE);
  const ignoreValue = flags.bool("ignore-value");
  if (ignoreValue && given !== undefined) {
    exitWithError(
      ExitCode.BAD_ARGS,
      "put command needs only 1 argument when 'ignore-value' is set",
    );
  }
  let value: Uint8Array = EMPTY_BYTES;
  if (given !== undefined) value = bytesOfText(given);
  else if (!ignoreValue) {
    value = (await stdin?.readAll()) ?? EMPTY_BYTES;
    if (value.length === 0) exitWithError(ExitCode.BAD_ARGS, USAGE);
  }
  return PutRequest.create({
    key: bytesOfText(key),
    value,
    lease: leaseIDFrom(flags.string("lease"), "bad lease ID"),
    prevKv: flags.bool("prev-kv"),
    ignoreValue,
    ignoreLease: flags.bool("ignore-lease"),
  });
}
