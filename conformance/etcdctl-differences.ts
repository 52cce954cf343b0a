/**
 * Where etcdctl says something else of our member than of a reference etcd, by the reference's
 * release: exact, and kept so by etcdctl.test.ts.
 */

export interface EtcdctlDifference {
  readonly reason: string;
  readonly reference: string;
  readonly ours: string;
}

export const ETCDCTL_DIFFERENCES: Readonly<
  Record<string, Readonly<Record<string, EtcdctlDifference>>>
> = {
  "3.4": {
    "endpoint hashkv --rev=20 (2nd time)": {
      reason: "since 3.6 the hashes of past compactions are kept and told",
      reference:
        'errors: {"level":"warn","ts":…,"caller":…,"msg":"retrying of unary invoker failed","target":"passthrough:///<url>","attempt":0,"error":"rpc error: code = OutOfRange desc = etcdserver: mvcc: required revision has been compacted"}\nFailed to get the hash of endpoint <url> (etcdserver: mvcc: required revision has been compacted)\nError: etcdserver: mvcc: required revision has been compacted\nexit 1',
      ours: "<url>, 2929769246\nexit 0",
    },
  },
};
