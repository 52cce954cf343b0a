/**
 * What the flags of an etcd command line say about where it listens, so that a collision of ports
 * is told before anything starts. Reads words as a shell does for plain text and quotes; variables
 * and substitutions stay as they stand, and what is no address then is passed over.
 */

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const LISTEN_FLAGS = ["listen-client-urls", "listen-peer-urls", "listen-metrics-urls"] as const;
const ENDPOINT_FLAGS = ["advertise-client-urls", "listen-client-urls"] as const;

/** The words of a line: split at blanks, with quotes removed. */
export function wordsOf(line: string): string[] {
  const word = /(?:'[^']*'|"[^"]*"|[^\s'"])+/g;
  return (line.match(word) ?? []).map((text) => text.replace(/'([^']*)'|"([^"]*)"/g, "$1$2"));
}

/** The value of the last `--name value` or `--name=value`, with one dash or two. */
function flagValue(words: readonly string[], name: string): string | undefined {
  let value: string | undefined;
  for (const [index, word] of words.entries()) {
    const match = /^--?([\w-]+)(?:=(.*))?$/s.exec(word);
    if (match?.[1] === name) value = match[2] ?? words[index + 1];
  }
  return value;
}

export function listenAddresses(words: readonly string[]): ListenAddress[] {
  const urls = LISTEN_FLAGS.flatMap((name) => flagValue(words, name)?.split(",") ?? []);
  return urls.flatMap((url) => addressOf(url) ?? []);
}

/** The first client URL that the flags name. */
export function endpointOf(words: readonly string[]): string | undefined {
  for (const name of ENDPOINT_FLAGS) {
    const url = flagValue(words, name)?.split(",")[0];
    if (url !== undefined && addressOf(url) !== undefined) return url;
  }
  return undefined;
}

function addressOf(text: string): ListenAddress | undefined {
  const match = /^https?:\/\/(\[[\da-fA-F:.]+\]|[\w.-]*):(\d{1,5})\/?$/.exec(text.trim());
  const port = Number(match?.[2] ?? 0);
  // Port 0 lets the system choose; nothing can collide there.
  if (match === null || port === 0 || port > 65_535) return undefined;
  return { host: (match[1] ?? "").replace(/^\[|\]$/g, ""), port };
}
