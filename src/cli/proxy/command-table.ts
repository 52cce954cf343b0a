/** The commands of `etcd` that run a proxy, with the flags and the help of etcd. */
import type { CommandSpec } from "../framework/command.ts";
import type { ProxyDeps } from "./deps.ts";
import { GRPC_PROXY_FLAGS } from "./grpc-proxy-flags.ts";

type ProxyWorld = (isDebug: boolean) => Promise<ProxyDeps>;

const LISTEN_ADDRESS = "127.0.0.1:23790";
const ENDPOINTS = {
  name: "endpoints",
  kind: "strings",
  default: "[127.0.0.1:2379]",
  usage: "comma separated etcd cluster endpoints",
} as const;
const DISCOVERY_NAME = {
  name: "discovery-srv-name",
  kind: "string",
  default: "",
  usage: "service name to query when using DNS discovery",
} as const;
const INSECURE_DISCOVERY = {
  name: "insecure-discovery",
  kind: "bool",
  default: "false",
  usage: "accept insecure SRV records",
} as const;
const LISTEN = {
  name: "listen-addr",
  kind: "string",
  default: LISTEN_ADDRESS,
  usage: "listen address",
} as const;

/** `world` is made when a proxy starts, not for help. */
export function proxyTable(world: ProxyWorld): CommandSpec {
  return { use: "etcd", short: "etcd server", commands: [gatewayRow(world), grpcProxyRow(world)] };
}

function grpcProxyRow(world: ProxyWorld): CommandSpec {
  return {
    use: "grpc-proxy <subcommand>",
    short: "grpc-proxy related command",
    commands: [
      {
        use: "start",
        short: "start the grpc proxy",
        flags: GRPC_PROXY_FLAGS,
        load: async () => {
          const { startGrpcProxy } = await import("./grpc-proxy.ts");
          return async (call) => startGrpcProxy(call, await world(call.flags.bool("debug")));
        },
      },
    ],
  };
}

function gatewayRow(world: ProxyWorld): CommandSpec {
  return {
    use: "gateway <subcommand>",
    short: "gateway related command",
    commands: [
      {
        use: "start",
        short: "start the gateway",
        flags: [
          LISTEN,
          {
            name: "discovery-srv",
            kind: "string",
            default: "",
            usage: "DNS domain used to bootstrap initial cluster",
          },
          DISCOVERY_NAME,
          INSECURE_DISCOVERY,
          {
            name: "trusted-ca-file",
            kind: "string",
            default: "",
            usage:
              "path to the client server TLS CA file for verifying the discovered endpoints when discovery-srv is provided.",
          },
          ENDPOINTS,
          {
            name: "retry-delay",
            kind: "duration",
            default: "1m0s",
            usage: "duration of delay before retrying failed endpoints",
          },
        ],
        load: async () => {
          const { startGateway } = await import("./gateway.ts");
          return async (call) => startGateway(call, await world(false));
        },
      },
    ],
  };
}
