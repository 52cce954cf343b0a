/** Endpoints for API v3 from `--discovery-srv` and the flags that belong to it. */
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { endpointsFromSrv } from "../framework/srv-lookup.ts";

export async function discoverEndpoints({ flags, io }: Invocation): Promise<readonly string[]> {
  const answer = await endpointsFromSrv(io, {
    domain: flags.string("discovery-srv"),
    suffix: flags.string("discovery-srv-name"),
    isInsecure: flags.bool("insecure-discovery"),
  });
  return "error" in answer ? exitWithError(ExitCode.ERROR, answer.error) : answer.urls;
}
