/**
 * A member with front ends on threads, to be tried and measured:
 *
 *   node dist/benchmarks/front-ends/main.js --workers 2 [flags of etcd]
 *
 * What `--listen-client-urls` names, one plain URL, is served by so many threads; with 0 by the
 * member's own. It speaks gRPC there and nothing else: a line tells the port for HTTP.
 */
import { readFileSync } from "node:fs";
import { SERVER_VERSION } from "../../src/api/version.ts";
import { parseCommandLine } from "../../src/embed/config/index.ts";
import { openLogger } from "../../src/embed/open-logger.ts";
import { goArchitecture, goOperatingSystem } from "../../src/base/go-names.ts";
import { startFronted } from "./member.ts";

const args = process.argv.slice(2);
const at = args.indexOf("--workers");
const workers = at < 0 ? 2 : Number(args.splice(at, 2)[1]);
if (!Number.isInteger(workers) || workers < 0) throw new Error("--workers takes a number");
const outcome = await parseCommandLine(["etcd", ...args], {
  env: process.env,
  readFile: (path) => readFileSync(path, "utf8"),
  version: {
    version: SERVER_VERSION,
    gitSha: "",
    runtime: `node ${process.version}`,
    os: goOperatingSystem(process.platform),
    arch: goArchitecture(process.arch),
  },
  findHost: () => undefined,
});
if (outcome.kind === "run") {
  const logger = openLogger(outcome.config);
  const member = await startFronted(outcome.config, workers, logger);
  const { port, httpAddress } = member;
  logger.info("front ends serve gRPC", { port, workers, http: httpAddress });
  const asked = new Promise((resolve) => process.once("SIGTERM", resolve).once("SIGINT", resolve));
  await Promise.race([asked, member.ended]);
  await member.stop();
  logger.close();
} else if (outcome.kind === "print") {
  process.stdout.write(outcome.stdout);
  process.stderr.write(outcome.stderr);
  process.exitCode = outcome.exitCode;
} else {
  for (const { message, fields } of outcome.records) console.error(message, fields);
  process.exitCode = 1;
}
