/** `etcdctl tls`: commands on certificates. etcd's own tool has none. */
import type { CommandSpec } from "../framework/command.ts";

export const TLS_ROWS: CommandSpec = {
  use: "tls <subcommand>",
  short: "TLS related commands",
  commands: [
    {
      use: "check [endpoints]",
      short: "Says what is wrong with the certificates of endpoints, in plain words",
      long: `Connects to each endpoint with --cacert, --cert and --key, shows the certificates that it shows, and says
what is wrong: chain, dates, names, key usage, and whether it accepts this client. Without arguments
the endpoints are those of --endpoints.
`,
      load: async () => (await import("./commands/tls-check.ts")).tlsCheck,
    },
  ],
};
