/** `etcd gateway start`: finds the endpoints, refuses to proxy to itself, and runs until a signal. */
import { errorMessage } from "../../base/error-message.ts";
import { quote } from "../../base/go-quote.ts";
import type { TcpEndpoint } from "../../proxy/tcp/endpoint-choice.ts";
import { TcpProxy } from "../../proxy/tcp/tcp-proxy.ts";
import type { Invocation } from "../framework/command.ts";
import { CliExit, ExitCode } from "../framework/exit.ts";
import type { Io } from "../framework/io.ts";
import { parsedPort, splitHostPort } from "./addresses.ts";
import type { ProxyDeps } from "./deps.ts";
import { discoveredEndpoints } from "./discovered-endpoints.ts";

/** One towards the client, one towards the endpoint. */
const DESCRIPTORS_PER_CLIENT = 2;

export async function startGateway(call: Invocation, deps: ProxyDeps): Promise<void> {
  const { flags, io } = call;
  const { logger } = deps;
  logger.info("Running: ", { args: deps.commandLine });
  const found = await discoveredEndpoints(call, deps, flags.string("trusted-ca-file"));
  const endpoints =
    found.length > 0 ? found : flags.strings("endpoints").map((text) => givenEndpoint(io, text));
  const listen = await ownAddress(io, flags.string("listen-addr"), deps);
  for (const endpoint of endpoints) await refuseItself(io, endpoint, listen, deps);
  if (endpoints.length === 0) refuse(io, "no endpoints found\n");
  const port = parsedPort(listen.port);
  let proxy: TcpProxy;
  try {
    proxy = await TcpProxy.start(
      {
        duplicate: deps.duplicate,
        maxConnections:
          deps.maxConnections && Math.floor(deps.maxConnections / DESCRIPTORS_PER_CLIENT),
        listen: { host: listen.host, port },
        endpoints,
        retryDelayMs: flags.durationMs("retry-delay"),
      },
      deps,
    );
  } catch (error) {
    io.err(`${errorMessage(error)}\n`);
    throw new CliExit(ExitCode.ERROR);
  }
  logger.info("notifying init daemon");
  deps.notifyReady();
  logger.info("successfully notified init daemon");
  logger.info("ready to proxy client requests", { endpoints: proxy.endpoints });
}

interface OwnAddress {
  readonly text: string;
  readonly host: string;
  readonly port: string;
  /** Where it can be reached. */
  readonly addresses: ReadonlySet<string>;
}

async function ownAddress(io: Io, text: string, deps: ProxyDeps): Promise<OwnAddress> {
  const parts = splitHostPort(text);
  if (parts === undefined) refuse(io, `failed to validate listen address: ${text}\n`);
  const problem = `failed to resolve listen host: ${parts.host}\n`;
  const own = await addressesOf(io, parts.host, problem, deps);
  const isAny = own.includes("0.0.0.0") || own.includes("::");
  return { text, ...parts, addresses: new Set(isAny ? [...own, ...deps.localAddresses()] : own) };
}

/** A proxy to itself would open connections until there are no more. */
async function refuseItself(
  io: Io,
  { host, port }: TcpEndpoint,
  own: OwnAddress,
  deps: ProxyDeps,
): Promise<void> {
  const problem = `failed to resolve endpoint host: ${host}\n`;
  const addresses = await addressesOf(io, host, problem, deps);
  if (String(port) !== own.port) return;
  const same = addresses.find((address) => own.addresses.has(address));
  if (same === undefined) return;
  refuse(
    io,
    `SRV or endpoint (${host}:${port}->${same}:${port}) should not resolve to the gateway listen addr (${own.text})\n`,
  );
}

async function addressesOf(
  io: Io,
  host: string,
  problem: string,
  deps: ProxyDeps,
): Promise<readonly string[]> {
  try {
    return await deps.lookUp(host);
  } catch {
    return refuse(io, problem);
  }
}

/** `text` is "host:port" or a URL, of which only that counts. */
function givenEndpoint(io: Io, text: string): TcpEndpoint {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#]+)/i.exec(text)?.[1] ?? text;
  const parts = splitHostPort(authority);
  if (parts === undefined) refuse(io, `error parsing endpoint ${quote(authority)}`);
  return { host: parts.host, port: parsedPort(parts.port), priority: 0, weight: 0 };
}

function refuse(io: Io, text: string): never {
  io.out(text);
  throw new CliExit(ExitCode.ERROR);
}
