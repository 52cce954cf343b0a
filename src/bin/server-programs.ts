/**
 * The programs with a server in them, for the bundle that `tools/build.mjs` makes of them: most of
 * their code is the same, and each loads only its own part.
 */
export const programs = {
  etcd: () => import("./etcd.ts"),
  "etcd-discovery": () => import("./etcd-discovery.ts"),
} as const;
