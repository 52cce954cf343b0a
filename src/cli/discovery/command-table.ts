/** The command etcd-discovery and the words of its help. */
import type { CommandSpec } from "../framework/command.ts";
import type { FlagSpec } from "../framework/flags.ts";
import type { ServiceDeps } from "./deps.ts";

function text(name: string, usage: string, value = ""): FlagSpec {
  return { name, kind: "string", default: value, usage };
}

function count(name: string, usage: string, value: string): FlagSpec {
  return { name, kind: "uint", default: value, usage };
}

const FLAGS: readonly FlagSpec[] = [
  text("listen-url", "Where to serve; https needs a certificate", "http://127.0.0.1:8087"),
  text("advertise-url", "What tokens begin with; default: the scheme and host of the request"),
  text("cert-file", "Certificate of the listener"),
  text("key-file", "Key of the listener"),
  text("trusted-ca-file", "Authorities of client certificates; clients must show one"),
  text("data-dir", "Data of the etcd that the service brings along", "discovery.etcd"),
  {
    name: "endpoints",
    kind: "strings",
    default: "[]",
    usage: "Keep the tokens in this etcd cluster instead",
  },
  text("user", "name:password for the cluster"),
  text("cacert", "Authorities of the cluster's certificates"),
  text("cert", "Client certificate for the cluster"),
  text("key", "Its key"),
  { name: "token-ttl", kind: "duration", default: "168h0m0s", usage: "Forget tokens after this" },
  count("max-tokens", "Tokens at the same time", "10000"),
];

export function discoveryTable(world: () => Promise<ServiceDeps>): CommandSpec {
  return {
    use: "etcd-discovery",
    short: "Serves etcd's discovery: new members find each other at a URL that it gives out.",
    flags: FLAGS,
    checkArgs: (args) => (args.length === 0 ? undefined : `unknown argument ${args[0]}`),
    load: async () => {
      const { serve } = await import("./serve.ts");
      return async (call) => serve(call, await world());
    },
  };
}
