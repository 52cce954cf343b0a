/** Runs the discovery service until it is told to stop, or the etcd that it brought along ends. */
import { bindProblem, type EtcdUrl, parseEtcdUrl } from "../../base/etcd-url.ts";
import { TextError } from "../../base/go-text.ts";
import { EtcdClient } from "../../client/index.ts";
import { DiscoveryService } from "../../discovery/service/discovery-service.ts";
import {
  type ServiceCertificates,
  serveDiscovery,
} from "../../discovery/service/service-listener.ts";
import { TokenStore } from "../../discovery/service/token-store.ts";
import { readTlsFiles } from "../etcdctl/tls.ts";
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import { readNamedFile } from "../framework/named-file.ts";
import type { OwnEtcd, ServiceDeps } from "./deps.ts";

/** Shorter lives are none: members of a cluster must come by then. */
const MIN_TOKEN_TTL_SECONDS = 60;

export async function serve(call: Invocation, deps: ServiceDeps): Promise<void> {
  const { flags } = call;
  const url = listenURL(flags.string("listen-url"));
  const certificates = listenerCertificates(call, url);
  const tokenTtlSeconds = Math.floor(flags.durationMs("token-ttl") / 1000);
  if (tokenTtlSeconds < MIN_TOKEN_TTL_SECONDS) {
    exitWithError(ExitCode.BAD_ARGS, `--token-ttl must be at least ${MIN_TOKEN_TTL_SECONDS}s`);
  }
  const advertisedURL = flags.string("advertise-url").replace(/\/+$/, "");
  if (advertisedURL !== "" && !/^https?:\/\/[^/]/.test(advertisedURL)) {
    exitWithError(ExitCode.BAD_ARGS, "--advertise-url must be an http or https URL");
  }
  const own = await ownEtcd(call, deps);
  const client = newClient(call, own);
  try {
    const options = { tokenTtlSeconds, maxTokens: flags.number("max-tokens") };
    const store = new TokenStore(client, options);
    const isSecure = certificates !== undefined;
    const service = new DiscoveryService({ advertisedURL, isSecure }, { ...deps, store });
    const running = await serveDiscovery(url, certificates, service).catch((error: Error) =>
      exitWithError(ExitCode.ERROR, error),
    );
    deps.logger.info("serving discovery", { url: running.url });
    const ended = await Promise.race([deps.interrupted, own?.stopped ?? deps.interrupted]);
    await running.stop();
    if (ended instanceof Error) exitWithError(ExitCode.ERROR, ended);
  } finally {
    client.close();
    await own?.stop();
  }
}

function listenURL(text: string): EtcdUrl {
  try {
    const url = parseEtcdUrl(text);
    const problem = bindProblem([url]);
    if (problem !== undefined) exitWithError(ExitCode.BAD_ARGS, problem);
    if (url.scheme.startsWith("unix")) exitWithError(ExitCode.BAD_ARGS, "the URL must be http(s)");
    return url;
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    return exitWithError(ExitCode.BAD_ARGS, error.message);
  }
}

function listenerCertificates(
  { flags }: Invocation,
  { scheme }: EtcdUrl,
): ServiceCertificates | undefined {
  const [cert, key] = [flags.string("cert-file"), flags.string("key-file")];
  if (scheme === "http") {
    if (cert === "" && key === "") return undefined;
    return exitWithError(ExitCode.BAD_ARGS, "--cert-file needs a --listen-url with https");
  }
  if (cert === "" || key === "") {
    exitWithError(ExitCode.BAD_ARGS, "https needs --cert-file and --key-file");
  }
  // The pair is checked here; the listener takes the files as they are.
  readTlsFiles({ cert, key, cacert: "" });
  const ca = flags.string("trusted-ca-file");
  const clientAuthorities = ca === "" ? undefined : [read(ca).toString("latin1")];
  return { cert: read(cert), key: read(key), clientAuthorities };
}

function read(path: string): Buffer {
  const file = readNamedFile(path);
  return "error" in file ? exitWithError(ExitCode.BAD_ARGS, file.error) : file.value;
}

/** Undefined when the tokens are kept elsewhere. */
async function ownEtcd({ flags }: Invocation, deps: ServiceDeps): Promise<OwnEtcd | undefined> {
  if (flags.strings("endpoints").length > 0) return undefined;
  try {
    return await deps.startEtcd(flags.string("data-dir"));
  } catch (error) {
    return exitWithError(ExitCode.ERROR, error);
  }
}

function newClient({ flags }: Invocation, own: OwnEtcd | undefined): EtcdClient {
  if (own !== undefined) return new EtcdClient({ endpoints: own.endpoints });
  const files = { cert: flags.string("cert"), key: flags.string("key") };
  const cacert = flags.string("cacert");
  const hasTls = files.cert !== "" || files.key !== "" || cacert !== "";
  const [username = "", ...password] = flags.string("user").split(":");
  try {
    return new EtcdClient({
      endpoints: flags.strings("endpoints"),
      ...(hasTls && { tls: readTlsFiles({ ...files, cacert }) }),
      ...(username !== "" && { credentials: { username, password: password.join(":") } }),
    });
  } catch (error) {
    return exitWithError(ExitCode.BAD_ARGS, error);
  }
}
