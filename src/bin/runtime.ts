/** Whether the programs can run on this version of Node.js. */

const OLDEST_NODE = { major: 20, minor: 19 } as const;

/** What is wrong with running on this version of Node.js; undefined when nothing. */
export function runtimeProblem(nodeVersion: string): string | undefined {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  const isNewEnough =
    major > OLDEST_NODE.major || (major === OLDEST_NODE.major && minor >= OLDEST_NODE.minor);
  if (isNewEnough) return undefined;
  return `Node.js ${nodeVersion} is too old; ${OLDEST_NODE.major}.${OLDEST_NODE.minor} or newer is needed`;
}
