/**
 * Where our etcdctl says something else than a reference etcdctl, by the reference's release, with
 * the reason: exact, and kept so by etcdctl-tool.test.ts.
 */

export interface ToolDifferences {
  readonly reason: string;
  /** Case to what the reference prints and what ours prints. */
  readonly differences: Readonly<Record<string, readonly [reference: string, ours: string]>>;
}

export const ETCDCTL_TOOL_DIFFERENCES: Readonly<Record<string, readonly ToolDifferences[]>> = {
  "3.4": [
    {
      reason: "the flag came after 3.4",
      differences: {
        "get sort/ --prefix --count-only -w simple": [
          "<usage>\nerrors: Error: unknown flag: --count-only\n\nError: unknown flag: --count-only\nexit 1",
          "errors: Error: --count-only is only for `--write-out=fields`\nexit 128",
        ],
        "get sort/ --prefix --count-only -w json": [
          "<usage>\nerrors: Error: unknown flag: --count-only\n\nError: unknown flag: --count-only\nexit 1",
          "errors: Error: --count-only is only for `--write-out=fields`\nexit 128",
        ],
        "get sort/ --prefix --count-only -w fields": [
          "<usage>\nerrors: Error: unknown flag: --count-only\n\nError: unknown flag: --count-only\nexit 1",
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 21\n"RaftTerm" : 2\n"More" : false\n"Count" : 3\nexit 0',
        ],
        "get sort/ --prefix --count-only -w protobuf": [
          "<usage>\nerrors: Error: unknown flag: --count-only\n\nError: unknown flag: --count-only\nexit 1",
          "errors: Error: --count-only is only for `--write-out=fields`\nexit 128",
        ],
        "get sort/ --prefix --count-only -w table": [
          "<usage>\nerrors: Error: unknown flag: --count-only\n\nError: unknown flag: --count-only\nexit 1",
          "errors: Error: --count-only is only for `--write-out=fields`\nexit 128",
        ],
        "get sort/ --prefix --count-only --keys-only": [
          "<usage>\nerrors: Error: unknown flag: --count-only\n\nError: unknown flag: --count-only\nexit 1",
          "errors: Error: `--keys-only` and `--count-only` cannot be set at the same time, choose one\nexit 128",
        ],
        "get foo --min-mod-rev=5": [
          "<usage>\nerrors: Error: unknown flag: --min-mod-rev\n\nError: unknown flag: --min-mod-rev\nexit 1",
          "foo\nb3\nexit 0",
        ],
        "get sort/ --prefix --min-mod-rev=12 --max-mod-rev=13 --keys-only": [
          "<usage>\nerrors: Error: unknown flag: --min-mod-rev\n\nError: unknown flag: --min-mod-rev\nexit 1",
          "exit 0",
        ],
        "get sort/ --prefix --min-create-rev=12 --max-create-rev=13": [
          "<usage>\nerrors: Error: unknown flag: --min-create-rev\n\nError: unknown flag: --min-create-rev\nexit 1",
          "exit 0",
        ],
        "get sort/ --min-create-rev=14 --max-create-rev=13": [
          "<usage>\nerrors: Error: unknown flag: --min-create-rev\n\nError: unknown flag: --min-create-rev\nexit 1",
          "errors: Error: getMinCreateRev(=14) > getMaxCreateRev(=13)\nexit 4",
        ],
        "get sort/ --min-mod-rev=14 --max-mod-rev=13": [
          "<usage>\nerrors: Error: unknown flag: --min-mod-rev\n\nError: unknown flag: --min-mod-rev\nexit 1",
          "errors: Error: getMinModRev(=14) > getMaxModRev(=13)\nexit 4",
        ],
        "del sort/b sort/bz --range --prev-kv": [
          "<usage>\nerrors: Error: unknown flag: --range\n\nError: unknown flag: --range\nexit 1",
          "1\nsort/b\n5\nexit 0",
        ],
        "del sort/b sort/bz": [
          "1\nexit 0",
          '0\nerrors: Warning: Keys between "sort/b" and "sort/bz" will be deleted. Please interrupt the command within next 2 seconds to cancel. You can provide `--range` flag to avoid the delay.\nexit 0',
        ],
        "member list --consistency=s": [
          "<usage>\nerrors: Error: unknown flag: --consistency\n\nError: unknown flag: --consistency\nexit 1",
          "b71f75320dc06a6c, started, default, http://127.0.0.1:2380, http://127.0.0.1:2379, false\nexit 0",
        ],
        "member list --consistency=q": [
          "<usage>\nerrors: Error: unknown flag: --consistency\n\nError: unknown flag: --consistency\nexit 1",
          'errors: Error: unknown consistency flag "q"\nexit 4',
        ],
        "put big v --max-request-bytes=3": [
          "<usage>\nerrors: Error: unknown flag: --max-request-bytes\n\nError: unknown flag: --max-request-bytes\nexit 1",
          "errors: Error: rpc error: code = ResourceExhausted desc = trying to send message larger than max (8 vs. 3)\nexit 1",
        ],
        "get foo --max-recv-bytes=3": [
          "<usage>\nerrors: Error: unknown flag: --max-recv-bytes\n\nError: unknown flag: --max-recv-bytes\nexit 1",
          "errors: Error: rpc error: code = ResourceExhausted desc = grpc: received message larger than max (45 vs. 3)\nexit 1",
        ],
      },
    },
    {
      reason: "since 3.5 --hex is also for ids",
      differences: {
        "get foo --hex -w fields": [
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 21\n"RaftTerm" : 2\n"Key" : "foo"\n"CreateRevision" : 2\n"ModRevision" : 12\n"Version" : 11\n"Value" : "b3"\n"Lease" : 0\n"More" : false\n"Count" : 1\nexit 0',
          '"ClusterID" : 1c45a069f3a1d796\n"MemberID" : b71f75320dc06a6c\n"Revision" : 21\n"RaftTerm" : 2\n"Key" : "foo"\n"CreateRevision" : 2\n"ModRevision" : 12\n"Version" : 11\n"Value" : "b3"\n"Lease" : 0000000000000000\n"More" : false\n"Count" : 1\nexit 0',
        ],
        "get lk1 -w fields --hex": [
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 45\n"RaftTerm" : 2\n"Key" : "lk1"\n"CreateRevision" : 45\n"ModRevision" : 45\n"Version" : 1\n"Value" : "v"\n"Lease" : <L>\n"More" : false\n"Count" : 1\nexit 0',
          '"ClusterID" : 1c45a069f3a1d796\n"MemberID" : b71f75320dc06a6c\n"Revision" : 45\n"RaftTerm" : 2\n"Key" : "lk1"\n"CreateRevision" : 45\n"ModRevision" : 45\n"Version" : 1\n"Value" : "v"\n"Lease" : <L>\n"More" : false\n"Count" : 1\nexit 0',
        ],
        "member list --hex -w json": [
          '{"header":{"cluster_id":2037210783374497686,"member_id":13195394291058371180,"raft_term":2},"members":[{"ID":13195394291058371180,"name":"default","peerURLs":["http://127.0.0.1:2380"],"clientURLs":["http://127.0.0.1:2379"]}]}\nexit 0',
          '{"header":{"cluster_id":"1c45a069f3a1d796","member_id":"b71f75320dc06a6c","raft_term":2},"members":[{"ID":"b71f75320dc06a6c","name":"default","peerURLs":["http://127.0.0.1:2380"],"clientURLs":["http://127.0.0.1:2379"]}]}\nexit 0',
        ],
        "member list --hex -w fields": [
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 0\n"RaftTerm" : 2\n"ID" : 13195394291058371180\n"Name" : "default"\n"PeerURL" : "http://127.0.0.1:2380"\n"ClientURL" : "http://127.0.0.1:2379"\n"IsLearner" : false\n\nexit 0',
          '"ClusterID" : 1c45a069f3a1d796\n"MemberID" : b71f75320dc06a6c\n"RaftTerm" : 2\n"ID" : b71f75320dc06a6c\n"Name" : "default"\n"PeerURL" : "http://127.0.0.1:2380"\n"ClientURL" : "http://127.0.0.1:2379"\n"IsLearner" : false\n\nexit 0',
        ],
      },
    },
    {
      reason: "since 3.6 the alternatives in JSON have the names of the protocol",
      differences: {
        'txn -w json < "value(\\"k1\\") = \\"v1\\"\\n\\nget k1\\nput k2 v2\\ndel k3\\n\\nget k1\\n\\n"':
          [
            '{"header":{"cluster_id":2037210783374497686,"member_id":13195394291058371180,"revision":33,"raft_term":2},"succeeded":true,"responses":[{"Response":{"ResponseRange":{"header":{"revision":32},"kvs":[{"key":"azE=","create_revision":31,"mod_revision":31,"version":1,"value":"djE="}],"count":1}}},{"Response":{"ResponsePut":{"header":{"revision":33}}}},{"Response":{"ResponseDeleteRange":{"header":{"revision":33}}}}]}\nexit 0',
            '{"header":{"cluster_id":2037210783374497686,"member_id":13195394291058371180,"revision":33,"raft_term":2},"succeeded":true,"responses":[{"Response":{"response_range":{"header":{"revision":32},"kvs":[{"key":"azE=","create_revision":31,"mod_revision":31,"version":1,"value":"djE="}],"count":1}}},{"Response":{"response_put":{"header":{"revision":33}}}},{"Response":{"response_delete_range":{"header":{"revision":33}}}}]}\nexit 0',
          ],
        'txn -w json < "value(\\"k1\\") = \\"no\\"\\n\\nget k1\\n\\nput k9 \\"a b\\" --prev-kv\\nget k9\\n\\n"':
          [
            '{"header":{"cluster_id":2037210783374497686,"member_id":13195394291058371180,"revision":38,"raft_term":2},"responses":[{"Response":{"ResponsePut":{"header":{"revision":38},"prev_kv":{"key":"azk=","create_revision":37,"mod_revision":37,"version":1,"value":"YSBi"}}}},{"Response":{"ResponseRange":{"header":{"revision":38},"kvs":[{"key":"azk=","create_revision":37,"mod_revision":38,"version":2,"value":"YSBi"}],"count":1}}}]}\nexit 0',
            '{"header":{"cluster_id":2037210783374497686,"member_id":13195394291058371180,"revision":38,"raft_term":2},"responses":[{"Response":{"response_put":{"header":{"revision":38},"prev_kv":{"key":"azk=","create_revision":37,"mod_revision":37,"version":1,"value":"YSBi"}}}},{"Response":{"response_range":{"header":{"revision":38},"kvs":[{"key":"azk=","create_revision":37,"mod_revision":38,"version":2,"value":"YSBi"}],"count":1}}}]}\nexit 0',
          ],
      },
    },
    {
      reason: "other details of the output since 3.5",
      differences: {
        "member list -w fields": [
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 0\n"RaftTerm" : 2\n"ID" : 13195394291058371180\n"Name" : "default"\n"PeerURL" : "http://127.0.0.1:2380"\n"ClientURL" : "http://127.0.0.1:2379"\n"IsLearner" : false\n\nexit 0',
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"RaftTerm" : 2\n"ID" : 13195394291058371180\n"Name" : "default"\n"PeerURL" : "http://127.0.0.1:2380"\n"ClientURL" : "http://127.0.0.1:2379"\n"IsLearner" : false\n\nexit 0',
        ],
        "--endpoints=127.0.0.1:1 --command-timeout=300ms endpoint hashkv -w json": [
          "[]\nerrors: Failed to get the hash of endpoint 127.0.0.1:1 (context deadline exceeded)\nError: context deadline exceeded\nexit 1",
          "null\nerrors: Failed to get the hash of endpoint 127.0.0.1:1 (context deadline exceeded)\nError: context deadline exceeded\nexit 1",
        ],
        "lock lk sh -c exit 7": [
          "<usage>\nerrors: Error: unknown shorthand flag: 'c' in -c\n\nError: unknown shorthand flag: 'c' in -c\nexit 1",
          "<usage>\nerrors: Error: unknown shorthand flag: 'c' in -c\n\nexit 1",
        ],
        "lock lk sh -c echo ${ETCD_LOCK_KEY%/*} $ETCD_LOCK_REV": [
          "<usage>\nerrors: Error: unknown shorthand flag: 'c' in -c\n\nError: unknown shorthand flag: 'c' in -c\nexit 1",
          "<usage>\nerrors: Error: unknown shorthand flag: 'c' in -c\n\nexit 1",
        ],
      },
    },
    {
      reason: "since 3.6 the status shows storage version, quota and downgrade",
      differences: {
        "endpoint status -w simple": [
          "<host>, b71f75320dc06a6c, 3.4.23, … kB, true, false, 2, 86, 86, \nexit 0",
          "<host>, b71f75320dc06a6c, 3.4.23, , … kB, … kB, …%, 0 B, true, false, 2, 87, 87, , , false\nexit 0",
        ],
        "endpoint status -w fields": [
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 46\n"RaftTerm" : 2\n"Version" : "3.4.23"\n"DBSize" : …\n"Leader" : 13195394291058371180\n"IsLearner" : false\n"RaftIndex" : …\n"RaftTerm" : 2\n"RaftAppliedIndex" : …\n"Errors" : []\n"Endpoint" : "<host>"\n\nexit 0',
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 46\n"RaftTerm" : 2\n"Version" : "3.4.23"\n"StorageVersion" : ""\n"DBSize" : …\n"DBSizeInUse" : …\n"DBSizeQuota" : 0\n"Leader" : 13195394291058371180\n"IsLearner" : false\n"RaftIndex" : …\n"RaftTerm" : 2\n"RaftAppliedIndex" : …\n"Errors" : []\n"Endpoint" : "<host>"\n"DowngradeTargetVersion" : ""\n"DowngradeEnabled" : false\n\nexit 0',
        ],
        "endpoint status -w table": [
          "+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+\n|  ENDPOINT  |  ID  | VERSION | DB SIZE | IS LEADER | IS LEARNER | RAFT TERM | RAFT INDEX | RAFT APPLIED INDEX | ERRORS |\n+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+\n| <host> | b71f75320dc06a6c |  3.4.23 |  … kB |  true |  false |  2 |  86 |  86 |  |\n+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+\nexit 0",
          "+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+\n|  ENDPOINT  |  ID  | VERSION | STORAGE VERSION | DB SIZE | IN USE | PERCENTAGE NOT IN USE | QUOTA | IS LEADER | IS LEARNER | RAFT TERM | RAFT INDEX | RAFT APPLIED INDEX | ERRORS | DOWNGRADE TARGET VERSION | DOWNGRADE ENABLED |\n+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+\n| <host> | b71f75320dc06a6c |  3.4.23 |  |  … kB |  … kB |  …% |  0 B |  true |  false |  2 |  87 |  87 |  |  |  false |\n+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+\nexit 0",
        ],
        "--user=root:rp endpoint status -w fields": [
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 48\n"RaftTerm" : 2\n"Version" : "3.4.23"\n"DBSize" : …\n"Leader" : 13195394291058371180\n"IsLearner" : false\n"RaftIndex" : …\n"RaftTerm" : 2\n"RaftAppliedIndex" : …\n"Errors" : []\n"Endpoint" : "<host>"\n\nexit 0',
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 48\n"RaftTerm" : 2\n"Version" : "3.4.23"\n"StorageVersion" : ""\n"DBSize" : …\n"DBSizeInUse" : …\n"DBSizeQuota" : 0\n"Leader" : 13195394291058371180\n"IsLearner" : false\n"RaftIndex" : …\n"RaftTerm" : 2\n"RaftAppliedIndex" : …\n"Errors" : []\n"Endpoint" : "<host>"\n"DowngradeTargetVersion" : ""\n"DowngradeEnabled" : false\n\nexit 0',
        ],
        "endpoint status": [
          "<host>, b71f75320dc06a6c, 3.4.23, … kB, true, false, 2, 199, 199, \nexit 0",
          "<host>, b71f75320dc06a6c, 3.4.23, , … kB, … kB, …%, 0 B, true, false, 2, 206, 206, , , false\nexit 0",
        ],
      },
    },
    {
      reason: "since 3.5 healthy endpoints are told on standard output",
      differences: {
        "endpoint health -w simple": [
          "errors: <host> is healthy: successfully committed proposal: took = …\nexit 0",
          "<host> is healthy: successfully committed proposal: took = …\nexit 0",
        ],
        "--endpoints=127.0.0.1:1 --command-timeout=300ms --cluster endpoint health": [
          'errors: Error: unknown command "health" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "health" for "etcdctl"\nexit 1',
          'errors: Error: unknown command "health" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nexit 1',
        ],
        "--user=u1:n endpoint health": [
          "errors: <host> is healthy: successfully committed proposal: took = …\nexit 0",
          "<host> is healthy: successfully committed proposal: took = …\nexit 0",
        ],
      },
    },
    {
      reason: "since 3.6 the time of defragmentation is told",
      differences: {
        "--endpoints=127.0.0.1:1 --command-timeout=300ms defrag": [
          "errors: Failed to defragment etcd member[127.0.0.1:1] (context deadline exceeded)\nexit 1",
          "errors: Failed to defragment etcd member[127.0.0.1:1]. took …. (context deadline exceeded)\nexit 1",
        ],
        "--endpoints=127.0.0.1:1 --command-timeout=300ms --cluster defrag": [
          "<usage>\nerrors: Error: unknown flag: --cluster\n\nError: unknown flag: --cluster\nexit 1",
          "<usage>\nerrors: Error: unknown flag: --cluster\n\nexit 1",
        ],
        defrag: [
          "Finished defragmenting etcd member[<host>]\nexit 0",
          "Finished defragmenting etcd member[<host>]. took …\nexit 0",
        ],
        "defrag -w json": [
          "Finished defragmenting etcd member[<host>]\nexit 0",
          "Finished defragmenting etcd member[<host>]. took …\nexit 0",
        ],
        "defrag (2nd time)": [
          "errors: Failed to defragment etcd member[<host>] (rpc error: code = Unknown desc = auth: user name is empty)\nexit 1",
          "errors: Failed to defragment etcd member[<host>]. took …. (rpc error: code = Unknown desc = auth: user name is empty)\nexit 1",
        ],
      },
    },
    {
      reason: "3.4 crashes",
      differences: {
        "alarm list -w fields": [
          "errors: panic\nexit 2",
          '"ClusterID" : 0\n"MemberID" : 0\n"RaftTerm" : 0\nexit 0',
        ],
        "alarm disarm -w fields": [
          "errors: panic\nexit 2",
          '"ClusterID" : 0\n"MemberID" : 0\n"RaftTerm" : 0\nexit 0',
        ],
      },
    },
    {
      reason: "other words since 3.5",
      differences: {
        "snapshot save": [
          "errors: Error: snapshot save expects one argument\nexit 128",
          "errors: Error: snapshot save expects one argument <filename>\nexit 128",
        ],
        "snapshot save a b": [
          "errors: Error: snapshot save expects one argument\nexit 128",
          "errors: Error: snapshot save expects one argument <filename>\nexit 128",
        ],
      },
    },
    {
      reason: "the command came after 3.4",
      differences: {
        "downgrade validate 3.5 -w simple": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade validate 3.5 -w json": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade validate 3.5 -w fields": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade validate 3.5 -w protobuf": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade validate 3.5 -w table": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade validate": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: TARGET_VERSION not provided\nexit 128",
        ],
        "downgrade validate a b": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: too many arguments\nexit 128",
        ],
        "downgrade validate 3.3": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade validate x": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade validate ": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: target version not provided\nexit 128",
        ],
        "downgrade cancel": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade enable 3.4": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade enable": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: TARGET_VERSION not provided\nexit 128",
        ],
        "downgrade enable 3.5": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade cancel (2nd time)": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        "downgrade cancel (3rd time)": [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "errors: Error: rpc error: code = Unimplemented desc = unknown method Downgrade for service etcdserverpb.Maintenance\nexit 1",
        ],
        downgrade: [
          'errors: Error: unknown command "downgrade" for "etcdctl"\nRun \'etcdctl --help\' for usage.\nError: unknown command "downgrade" for "etcdctl"\nexit 1',
          "<usage>\nexit 0",
        ],
        "auth status -w simple": [
          "<usage>\nexit 0",
          "errors: Error: rpc error: code = Unimplemented desc = unknown method AuthStatus for service etcdserverpb.Auth\nexit 1",
        ],
        "auth status -w json": [
          "<usage>\nexit 0",
          "errors: Error: rpc error: code = Unimplemented desc = unknown method AuthStatus for service etcdserverpb.Auth\nexit 1",
        ],
        "auth status -w fields": [
          "<usage>\nexit 0",
          "errors: Error: rpc error: code = Unimplemented desc = unknown method AuthStatus for service etcdserverpb.Auth\nexit 1",
        ],
        "auth status -w protobuf": [
          "<usage>\nexit 0",
          "errors: Error: rpc error: code = Unimplemented desc = unknown method AuthStatus for service etcdserverpb.Auth\nexit 1",
        ],
        "auth status -w table": [
          "<usage>\nexit 0",
          "errors: Error: rpc error: code = Unimplemented desc = unknown method AuthStatus for service etcdserverpb.Auth\nexit 1",
        ],
        "auth status x": [
          "<usage>\nexit 0",
          "errors: Error: auth status command does not accept any arguments\nexit 128",
        ],
        "--user=root --password=rp auth status": [
          "<usage>\nexit 0",
          "errors: Error: rpc error: code = Unimplemented desc = unknown method AuthStatus for service etcdserverpb.Auth\nexit 1",
        ],
        "auth status": [
          "<usage>\nexit 0",
          "errors: Error: rpc error: code = Unimplemented desc = unknown method AuthStatus for service etcdserverpb.Auth\nexit 1",
        ],
      },
    },
    {
      reason: "since 3.5 the role root shows what it may do",
      differences: {
        "--user=root:rp role get root": [
          "Role root\nKV Read:\nKV Write:\nexit 0",
          "Role root\nKV Read:\n\t[, <open ended>\nKV Write:\n\t[, <open ended>\nexit 0",
        ],
      },
    },
    {
      reason: "an unknown scheme is told at once instead of after the time-out",
      differences: {
        "--endpoints=ftp://x --command-timeout=300ms get foo": [
          "errors: Error: context deadline exceeded\nexit 1",
          'errors: Error: endpoint "ftp://x" has the unknown scheme ftp\nexit 2',
        ],
      },
    },
    {
      reason: "another release",
      differences: {
        version: [
          "etcdctl version: 3.4.23\nAPI version: 3.4\nexit 0",
          "etcdctl version: 3.6.14\nAPI version: 3.6\nexit 0",
        ],
        "version -w json": [
          "etcdctl version: 3.4.23\nAPI version: 3.4\nexit 0",
          "etcdctl version: 3.6.14\nAPI version: 3.6\nexit 0",
        ],
      },
    },
    {
      reason: "other words and header fields since 3.5",
      differences: {
        "watch a --rev=1 -w fields": [
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"Revision" : 0\n"RaftTerm" : 2\nerrors: watch was canceled (etcdserver: mvcc: required revision has been compacted)\nError: watch is canceled by the server\nexit 5',
          '"ClusterID" : 2037210783374497686\n"MemberID" : 13195394291058371180\n"RaftTerm" : 2\nerrors: watch was canceled (etcdserver: mvcc: required revision has been compacted)\nError: watch is canceled by the server\nexit 5',
        ],
        'watch -i < "foo\\nwatch\\n\\n"': [
          "errors: Invalid command foo (only support watch)\nInvalid command watch (command type or key is not provided)\nInvalid command:  (watch and progress supported)\nError: Error reading watch request line: EOF\nexit 3",
          "errors: Invalid command foo (only support watch)\nInvalid command watch (command type or key is not provided)\nInvalid command:  (watch and progress supported)\nError: error reading watch request line: EOF\nexit 3",
        ],
        'watch -i < "watch a b --prefix\\nprogress\\n"': [
          "errors: Invalid command watch a b --prefix (`range_end` and `--prefix` are mutually exclusive)\nError: Error reading watch request line: EOF\nexit 3",
          "errors: Invalid command watch a b --prefix (`range_end` and `--prefix` are mutually exclusive)\nError: error reading watch request line: EOF\nexit 3",
        ],
        'watch -i < ""': [
          "errors: Error: Error reading watch request line: EOF\nexit 3",
          "errors: Error: error reading watch request line: EOF\nexit 3",
        ],
      },
    },
  ],
  "3.6": [
    {
      reason: "an unknown scheme is told at once instead of after the time-out",
      differences: {
        "--endpoints=ftp://x --command-timeout=300ms get foo": [
          "errors: Error: context deadline exceeded\nexit 1",
          'errors: Error: endpoint "ftp://x" has the unknown scheme ftp\nexit 2',
        ],
      },
    },
    {
      reason: "an error is not a crash",
      differences: {
        "alarm disarm -w fields": [
          "errors: panic\nexit 2",
          '"ClusterID" : 0\n"MemberID" : 0\n"RaftTerm" : 0\nexit 0',
        ],
      },
    },
    {
      reason: "the refusal names what was given",
      differences: {
        "member list --consistency=q": [
          'errors: Error: unknown consistency flag "l"\nexit 4',
          'errors: Error: unknown consistency flag "q"\nexit 4',
        ],
      },
    },
  ],
};
