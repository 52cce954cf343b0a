/**
 * The programs without a server, for a bundle like that of `server-programs.ts`. They start often:
 * what only a server needs would cost each of them milliseconds.
 */
export const programs = {
  etcdctl: () => import("./etcdctl.ts"),
  etcdutl: () => import("./etcdutl.ts"),
  "etcd-cluster": () => import("./etcd-cluster.ts"),
} as const;
