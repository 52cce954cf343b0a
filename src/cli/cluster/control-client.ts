/** The other terminal's end of the control channel. */
import { connect } from "node:net";
import {
  type ControlReply,
  type ControlRequest,
  MAX_REPLY_BYTES,
  parseReply,
} from "./control-protocol.ts";

const NOBODY: ReadonlySet<string> = new Set(["ENOENT", "ECONNREFUSED"]);
/** It went while the request was on its way, or before it had read all of it. */
const ENDED: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

/** Nobody listens at the path. */
export class NoLauncherError extends Error {}

/** Waits as long as the launcher works on it. @throws NoLauncherError, or Error with the reason. */
export function ask(
  path: string,
  request: ControlRequest,
): Promise<ControlReply & { kind: "done" }> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(path);
    socket.setEncoding("utf8");
    socket.once("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    let failure = new Error("the launcher ended before it answered");
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (NOBODY.has(error.code ?? "")) failure = new NoLauncherError("no cluster runs");
      else if (!ENDED.has(error.code ?? "")) failure = error;
    });
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.length <= MAX_REPLY_BYTES) return;
      socket.destroy();
      reject(new Error("the launcher's answer is too long"));
    });
    socket.once("close", () => {
      const reply = parseReply(text);
      if (reply?.kind === "done") resolve(reply);
      else reject(reply === undefined ? failure : new Error(reply.reason));
    });
  });
}
