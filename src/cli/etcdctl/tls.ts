/** TLS options from flags. Files are read here, so that a wrong path is told before connecting. */
import type { TlsOptions } from "../../client/index.ts";
import type { Invocation } from "../framework/command.ts";
import { bundleProblem, pairProblem } from "./pem.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { readNamedFile } from "../framework/named-file.ts";

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly cacert: string;
}

export function tlsFromFlags({ flags }: Invocation): TlsOptions {
  for (const name of ["cert", "key", "cacert"]) {
    if (flags.isChanged(name) && flags.string(name) === "") {
      exitWithError(ExitCode.BAD_ARGS, `empty string is passed to --${name} option`);
    }
  }
  const domain = flags.bool("insecure-discovery") ? "" : flags.string("discovery-srv");
  const files = {
    cert: flags.string("cert"),
    key: flags.string("key"),
    cacert: flags.string("cacert"),
  };
  return {
    ...readTlsFiles(files),
    ...(domain === "" ? {} : { serverName: domain }),
    insecureSkipVerify: flags.bool("insecure-skip-tls-verify"),
  };
}

/** Ends the command when a file is missing or of no use, or one of the pair is missing. */
export function readTlsFiles({ cert, key, cacert }: TlsFiles): TlsOptions {
  if ((cert === "") !== (key === "")) {
    exitWithError(
      ExitCode.BAD_ARGS,
      `KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`,
    );
  }
  const pair = cert === "" ? {} : readPair(cert, key);
  const bundle = cacert === "" ? {} : readBundle(cacert);
  return { ...pair, ...bundle };
}

function readPair(certPath: string, keyPath: string): TlsOptions {
  const cert = readPem(certPath);
  const key = readPem(keyPath);
  const problem = pairProblem(cert, key);
  return problem === undefined ? { cert, key } : exitWithError(ExitCode.BAD_ARGS, problem);
}

function readBundle(path: string): TlsOptions {
  const ca = readPem(path);
  const problem = bundleProblem(ca);
  return problem === undefined ? { ca } : exitWithError(ExitCode.BAD_ARGS, problem);
}

function readPem(path: string): Buffer {
  const file = readNamedFile(path);
  return "error" in file ? exitWithError(ExitCode.BAD_ARGS, file.error) : file.value;
}
