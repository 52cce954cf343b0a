/** The `etcdutl` program: gives the offline commands the real world, and returns the exit code. */
import { SERVER_VERSION } from "../api/version.ts";
import { etcdutlTable } from "../cli/etcdutl/command-table.ts";
import { processIo } from "../cli/framework/io.ts";
import { runTool } from "../cli/framework/run-tool.ts";

const API_VERSION = SERVER_VERSION.split(".").slice(0, 2).join(".");

export function main(): Promise<number> {
  const table = etcdutlTable(async ({ io }) => {
    const { utilityDeps } = await import("./utility-world.ts");
    return utilityDeps(io, "console");
  });
  const about = { version: SERVER_VERSION, apiVersion: API_VERSION, helpLayout: "plain" } as const;
  return runTool(table, about, processIo());
}
