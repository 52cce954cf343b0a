/**
 * All programs, for the bundle that `tools/build.mjs` makes of them: most of their code is the same,
 * and each loads only its own part.
 */
export const programs = {
  etcd: () => import("./etcd.ts"),
  etcdctl: () => import("./etcdctl.ts"),
  etcdutl: () => import("./etcdutl.ts"),
  "etcd-cluster": () => import("./etcd-cluster.ts"),
  "etcd-discovery": () => import("./etcd-discovery.ts"),
} as const;
