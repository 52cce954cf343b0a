/** Go's names of machines, which etcd's users know. */

const GO_ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ["x64", "amd64"],
  ["ia32", "386"],
  ["ppc64", "ppc64le"],
  ["mipsel", "mipsle"],
]);

/** Go's name of an architecture that Node.js names `arch`. */
export function goArchitecture(arch: string): string {
  return GO_ARCHITECTURES.get(arch) ?? arch;
}

/** Go's name of an operating system that Node.js names `platform`. */
export function goOperatingSystem(platform: string): string {
  return platform === "win32" ? "windows" : platform;
}
