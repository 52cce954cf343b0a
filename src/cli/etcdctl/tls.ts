/** TLS options from flags. Files are read here, so that a wrong path is told before connecting. */
import { readFileSync } from "node:fs";
import type { TlsOptions } from "../../client/index.ts";
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";

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

/** Ends the command when a file is missing, or one of the pair is. */
export function readTlsFiles({ cert, key, cacert }: TlsFiles): TlsOptions {
  if ((cert === "") !== (key === "")) {
    exitWithError(
      ExitCode.BAD_ARGS,
      `KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`,
    );
  }
  return {
    ...(cert === "" ? {} : { cert: readPem(cert), key: readPem(key) }),
    ...(cacert === "" ? {} : { ca: readPem(cacert) }),
  };
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === "ENOENT"
        ? "no such file or directory"
        : code === "EACCES"
          ? "permission denied"
          : code;
    return exitWithError(ExitCode.BAD_ARGS, `open ${path}: ${reason}`);
  }
}
