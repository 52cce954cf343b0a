/** Commands on the cluster and its members: alarm, check, defrag, endpoint, member, snapshot ... */
import type { CommandSpec } from "../framework/command.ts";
import type { FlagSpec } from "../framework/flags.ts";
import type { UtilityWorld } from "../etcdutl/deps.ts";
import { restoreFlags } from "../etcdutl/flag-rows.ts";
import { bool, int, string } from "./flag-rows.ts";
import { CONSISTENCY_FLAG } from "./key-rows.ts";

const CLUSTER_FLAG: FlagSpec = bool("cluster", "use all endpoints from the cluster member list");

const ALARM_ROW: CommandSpec = {
  use: "alarm <subcommand>",
  short: "Alarm related commands",
  commands: [
    {
      use: "disarm",
      short: "Disarms all alarms",
      load: async () => (await import("./commands/alarm.ts")).alarmDisarm,
    },
    {
      use: "list",
      short: "Lists all alarms",
      load: async () => (await import("./commands/alarm.ts")).alarmList,
    },
  ],
};

const ENDPOINT_ROW: CommandSpec = {
  use: "endpoint <subcommand>",
  short: "Endpoint related commands",
  persistentFlags: [CLUSTER_FLAG],
  commands: [
    {
      use: "health",
      short: "Checks the healthiness of endpoints specified in `--endpoints` flag",
      load: async () => (await import("./commands/endpoint.ts")).endpointHealth,
    },
    {
      use: "status",
      short: "Prints out the status of endpoints specified in `--endpoints` flag",
      long: `When --write-out is set to simple, this command prints out comma-separated status lists for each endpoint.
The items in the lists are endpoint, ID, version, db size, is leader, is learner, raft term, raft index, raft applied index, errors.
`,
      load: async () => (await import("./commands/endpoint.ts")).endpointStatus,
    },
    {
      use: "hashkv",
      short: "Prints the KV history hash for each endpoint in --endpoints",
      persistentFlags: [int("rev", "maximum revision to hash (default: latest revision)")],
      load: async () => (await import("./commands/endpoint.ts")).endpointHashKV,
    },
  ],
};

const PEER_URLS = "comma separated peer URLs for the";

const MEMBER_ROW: CommandSpec = {
  use: "member <subcommand>",
  short: "Membership related commands",
  commands: [
    {
      use: "add <memberName> [options]",
      short: "Adds a member into the cluster",
      flags: [
        string("peer-urls", "", `${PEER_URLS} new member.`),
        bool("learner", "indicates if the new member is raft learner"),
      ],
      load: async () => (await import("./commands/member.ts")).memberAdd,
    },
    {
      use: "remove <memberID>",
      short: "Removes a member from the cluster",
      load: async () => (await import("./commands/member.ts")).memberRemove,
    },
    {
      use: "update <memberID> [options]",
      short: "Updates a member in the cluster",
      flags: [string("peer-urls", "", `${PEER_URLS} updated member.`)],
      load: async () => (await import("./commands/member.ts")).memberUpdate,
    },
    {
      use: "list",
      short: "Lists all members in the cluster",
      long: `When --write-out is set to simple, this command prints out comma-separated member lists for each endpoint.
The items in the lists are ID, Status, Name, Peer Addrs, Client Addrs, Is Learner.
`,
      flags: [CONSISTENCY_FLAG],
      load: async () => (await import("./commands/member.ts")).memberList,
    },
    {
      use: "promote <memberID>",
      short: "Promotes a non-voting member in the cluster",
      long: `Promotes a non-voting learner member to a voting one in the cluster.
`,
      load: async () => (await import("./commands/member.ts")).memberPromote,
    },
  ],
};

const SNAPSHOT_EXAMPLE = [
  "# Save snapshot to a given file",
  "etcdctl snapshot save /backup/etcd-snapshot.db",
  "",
  "# Get snapshot from given address and save it to file",
  "etcdctl snapshot save --endpoints=127.0.0.1:3000 /backup/etcd-snapshot.db",
  "",
  "# Get snapshot from given address with certificates",
  "etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/etcd/ca.crt --cert=/etc/etcd/etcd.crt --key=/etc/etcd/etcd.key snapshot save /backup/etcd-snapshot.db",
  "",
  "# Get snapshot wih certain user and password",
  "etcdctl --user=root --password=password123 snapshot save /backup/etcd-snapshot.db",
  "",
  "# Get snapshot from given address with timeout",
  "etcdctl --endpoints=https://127.0.0.1:2379 --dial-timeout=20s snapshot save /backup/etcd-snapshot.db",
  "",
  "# Save snapshot with desirable time format",
  "etcdctl snapshot save /mnt/backup/etcd/backup_$(date +%Y%m%d_%H%M%S).db",
]
  .map((line) => `  ${line}`)
  .join("\n");

const snapshotRow = (world: UtilityWorld): CommandSpec => ({
  use: "snapshot <subcommand>",
  short: "Manages etcd node snapshots",
  example: SNAPSHOT_EXAMPLE,
  commands: [
    {
      use: "save <filename>",
      short: "Stores an etcd node backend snapshot to a given file",
      example: SNAPSHOT_EXAMPLE,
      load: async () => (await import("./commands/snapshot.ts")).snapshotSave,
    },
    {
      use: "status <filename>",
      short: "Gets backend snapshot status of a given file",
      long: `When --write-out is set to simple, this command prints out comma-separated status lists for each endpoint.
The items in the lists are hash, revision, total keys, total size.
`,
      load: async () => {
        const { statusOfFile } = await import("./commands/snapshot-file.ts");
        return async (call) => statusOfFile(call, await world(call));
      },
    },
    {
      use: "restore <filename> [options]",
      short: "Restores an etcd member snapshot to an etcd directory",
      flags: restoreFlags("Path to the data directory"),
      load: async () => {
        const { restoreFile } = await import("./commands/snapshot-file.ts");
        return async (call) => restoreFile(call, await world(call));
      },
    },
  ],
});

const AFTERWARDS_FLAGS: readonly FlagSpec[] = [
  bool("auto-compact", "Compact storage with last revision after test is finished."),
  bool("auto-defrag", "Defragment storage after test is finished."),
];

const LOADS = ["small", "medium", "large", "xLarge"];
const WORKLOADS = "Accepted workloads: s(small), m(medium), l(large), xl(xLarge)";

const CHECK_ROW: CommandSpec = {
  use: "check <subcommand>",
  short: "commands for checking properties of the etcd cluster",
  commands: [
    {
      use: "perf [options]",
      short: "Check the performance of the etcd cluster",
      flags: [
        string(
          "load",
          "s",
          `The performance check's workload model. ${WORKLOADS}. Different workload models use different configurations in terms of number of clients and expected throughput.`,
          LOADS,
        ),
        string(
          "prefix",
          "/etcdctl-check-perf/",
          "The prefix for writing the performance check's keys.",
        ),
        ...AFTERWARDS_FLAGS,
      ],
      load: async () => (await import("./commands/check-perf.ts")).checkPerf,
    },
    {
      use: "datascale [options]",
      short:
        "Check the memory usage of holding data for different workloads on a given server endpoint.",
      long: "If no endpoint is provided, localhost will be used. If multiple endpoints are provided, first endpoint will be used.",
      flags: [
        string("load", "s", `The datascale check's workload model. ${WORKLOADS}`, LOADS),
        string(
          "prefix",
          "/etcdctl-check-datascale/",
          "The prefix for writing the datascale check's keys.",
        ),
        ...AFTERWARDS_FLAGS,
      ],
      load: async () => (await import("./commands/check-datascale.ts")).checkDatascale,
    },
  ],
};

const DOWNGRADE_ROW: CommandSpec = {
  use: "downgrade <TARGET_VERSION>",
  short: "Downgrade related commands",
  commands: [
    {
      use: "validate <TARGET_VERSION>",
      short: "Validate downgrade capability before starting downgrade",
      load: async () => (await import("./commands/downgrade.ts")).downgradeValidate,
    },
    {
      use: "enable <TARGET_VERSION>",
      short: "Start a downgrade action to cluster",
      load: async () => (await import("./commands/downgrade.ts")).downgradeEnable,
    },
    {
      use: "cancel",
      short: "Cancel the ongoing downgrade action to cluster",
      load: async () => (await import("./commands/downgrade.ts")).downgradeCancel,
    },
  ],
};

export const clusterRows = (world: UtilityWorld): readonly CommandSpec[] => [
  ALARM_ROW,
  {
    use: "defrag",
    short: "Defragments the storage of the etcd members with given endpoints",
    persistentFlags: [CLUSTER_FLAG],
    load: async () => (await import("./commands/defrag.ts")).defrag,
  },
  ENDPOINT_ROW,
  {
    use: "move-leader <transferee-member-id>",
    short: "Transfers leadership to another etcd cluster member.",
    load: async () => (await import("./commands/move-leader.ts")).moveLeader,
  },
  MEMBER_ROW,
  snapshotRow(world),
  CHECK_ROW,
  DOWNGRADE_ROW,
];
