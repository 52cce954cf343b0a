/** Facts about the machine and runtime that the programs name, in the words of etcd's users. */

const OLDEST_NODE = { major: 20, minor: 19 } as const;

/** What is wrong with running on this version of Node.js; undefined when nothing. */
export function runtimeProblem(nodeVersion: string): string | undefined {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  const isNewEnough =
    major > OLDEST_NODE.major || (major === OLDEST_NODE.major && minor >= OLDEST_NODE.minor);
  if (isNewEnough) return undefined;
  return `Node.js ${nodeVersion} is too old; ${OLDEST_NODE.major}.${OLDEST_NODE.minor} or newer is needed`;
}

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
