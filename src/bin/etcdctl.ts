/** The `etcdctl` program: the command line client. */
import "./ignored-signals.ts";
import { SERVER_VERSION } from "../api/version.ts";
import { etcdctlTable } from "../cli/etcdctl/command-table.ts";
import { type Io, processIo } from "../cli/framework/io.ts";
import type { UtilityDeps } from "../cli/etcdutl/deps.ts";
import { runTool } from "../cli/framework/run-tool.ts";

const API_VERSION = SERVER_VERSION.split(".").slice(0, 2).join(".");
const ABOUT = { version: SERVER_VERSION, apiVersion: API_VERSION };

const files = async (its: Io): Promise<UtilityDeps> => {
  const { utilityDeps } = await import("./utility-world.ts");
  return utilityDeps(its, "json");
};
const table = etcdctlTable((call) => files(call.io));
// Ends at once: nobody waits for connections to be closed in order.
const io = processIo();
const ended =
  io.env.ETCDCTL_API === "2"
    ? import("../cli/v2/run.ts").then(({ runEtcdctlV2 }) => runEtcdctlV2(io.argv, io, files))
    : runTool(table, ABOUT, io);
void ended.then((code) => process.exit(code));
