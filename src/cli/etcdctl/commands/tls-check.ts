/** `etcdctl tls check`: connects to each endpoint and says what is wrong with its TLS. */
import { X509Certificate } from "node:crypto";
import { parseEtcdUrl } from "../../../base/etcd-url.ts";
import type { Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { applyEnvironment } from "../environment.ts";
import { tlsFromFlags } from "../tls.ts";
import { findingsOf } from "../tls-findings.ts";
import { type Probe, type ProbeTarget, probe, serverNameOf } from "../tls-probe.ts";

export async function tlsCheck(call: Invocation): Promise<void> {
  applyEnvironment(call);
  const { args, flags } = call;
  const tls = tlsFromFlags(call);
  const own = tls.cert === undefined ? undefined : new X509Certificate(tls.cert as Uint8Array);
  const endpoints = args.length > 0 ? args : flags.strings("endpoints");
  let bad = 0;
  for (const endpoint of endpoints) {
    const target = targetOf(endpoint);
    const seen = await probe(target, tls, flags.durationMs("command-timeout"));
    const findings = findingsOf(seen, {
      name: serverNameOf(target, tls),
      hasAuthorities: tls.ca !== undefined,
      own,
      nowMs: call.io.clock.wallMs(),
    });
    const isBad = findings.some(({ level }) => level === "wrong");
    if (isBad) bad++;
    const lines = [
      ...seenLines(seen),
      ...findings.map(({ level, text }) => `${level}: ${text}`),
      ...(isBad ? [] : ["this client can talk to it"]),
    ];
    call.io.out(lines.map((line) => `${endpoint}: ${line}\n`).join(""));
  }
  if (bad > 0) exitWithError(ExitCode.ERROR, `something is wrong with ${bad} endpoint(s)`);
}

/** An address without a scheme is taken for https. */
function targetOf(endpoint: string): ProbeTarget {
  try {
    const url = parseEtcdUrl(endpoint.includes("://") ? endpoint : `https://${endpoint}`);
    return url.scheme.startsWith("unix")
      ? { host: `${url.host}${url.path}`, port: undefined }
      : { host: url.hostname, port: url.port };
  } catch (error) {
    return exitWithError(ExitCode.BAD_ARGS, error);
  }
}

function seenLines(seen: Probe): string[] {
  if (seen.kind === "unreachable") return [];
  return [
    [seen.version, seen.cipher, seen.protocol ?? "no ALPN"].join(", "),
    ...seen.chain.map(
      (each, i) =>
        `certificate ${i}: ${oneLine(each.subject)}, signed by ${oneLine(each.issuer)}, until ${new Date(each.validTo).toISOString().replace(".000Z", "Z")}`,
    ),
  ];
}

function oneLine(name: string): string {
  return name === "" ? "(no name)" : name.split("\n").join("+");
}
