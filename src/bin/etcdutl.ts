/** The `etcdutl` program: the offline tool for data directories and snapshot files. */
import { SERVER_VERSION } from "../api/version.ts";
import { etcdutlTable } from "../cli/etcdutl/command-table.ts";
import { processIo } from "../cli/framework/io.ts";
import { runTool } from "../cli/framework/run-tool.ts";

const API_VERSION = SERVER_VERSION.split(".").slice(0, 2).join(".");

const table = etcdutlTable(async ({ io }) => {
  const { utilityDeps } = await import("./etcdutl-deps.ts");
  return utilityDeps(io);
});
process.exitCode = await runTool(
  table,
  { version: SERVER_VERSION, apiVersion: API_VERSION, helpLayout: "plain" },
  processIo(),
);
