/**
 * What is wrong with the TLS of an endpoint, in plain words: chain, dates, names, key usage, and
 * whether the two sides get along. `wrong` is what makes clients fail; `warning` will do so one day,
 * or for some.
 */
import type { X509Certificate } from "node:crypto";
import { checkServerIdentity } from "node:tls";
import type { Probe } from "./tls-probe.ts";

export interface Finding {
  readonly level: "wrong" | "warning";
  readonly text: string;
}

export interface Question {
  /** The name or address that the server has to prove. */
  readonly name: string;
  /** Whether `--cacert` was given. */
  readonly hasAuthorities: boolean;
  /** The certificate of `--cert`. */
  readonly own: X509Certificate | undefined;
  readonly nowMs: number;
}

const DAY_MS = 86_400_000;
const SOON_DAYS = 30;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
/** NIST SP 800-57: shorter ones are no longer thought safe. */
const MIN_RSA_BITS = 2048;

export function findingsOf(probe: Probe, question: Question): Finding[] {
  if (probe.kind === "unreachable") return [wrong(unreachableText(probe))];
  const [leaf] = probe.chain;
  if (leaf === undefined) return [wrong("the server shows no certificate")];
  return [
    ...chainFindings(probe.chain, probe.chainCode, question),
    ...probe.chain.flatMap((each, i) =>
      dateFindings(
        each,
        i === 0 ? "the certificate" : `the certificate of ${each.subject}`,
        question,
      ),
    ),
    ...nameFindings(leaf, question.name),
    ...usageFindings(leaf),
    ...keyFindings(leaf),
    ...protocolFindings(probe.protocol),
    ...ownFindings(question),
    ...reactionFindings(probe, question),
  ];
}

function wrong(text: string): Finding {
  return { level: "wrong", text };
}

function warning(text: string): Finding {
  return { level: "warning", text };
}

function unreachableText({ code, reason }: { readonly code: string; readonly reason: string }) {
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    return "the server does not speak TLS here: use http://, or give it --cert-file and --key-file";
  }
  if (code === "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION") {
    return "the server offers no version of TLS that this client knows (1.2 and 1.3)";
  }
  if (code === "ECONNRESET") return `the server hung up during the handshake (${reason})`;
  return `no TLS connection: ${reason}`;
}

/** One line, such as `CN=ann`. */
function nameText(lines: string): string {
  return lines === "" ? "(no name)" : lines.split("\n").join(", ");
}

function chainFindings(
  chain: readonly X509Certificate[],
  code: string | undefined,
  { hasAuthorities }: Question,
): Finding[] {
  const [leaf] = chain;
  const top = chain.at(-1);
  if (code === undefined || leaf === undefined || top === undefined) return [];
  const trusted = hasAuthorities
    ? "those of --cacert"
    : "those of the system (there is no --cacert)";
  const issuer = nameText(top.issuer);
  switch (code) {
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
      return [
        wrong(
          "the certificate is signed by itself (as --auto-tls makes it): no authority vouches for it",
        ),
      ];
    case "SELF_SIGNED_CERT_IN_CHAIN":
      return [wrong(`the authority "${issuer}" is none of ${trusted}`)];
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return [
        wrong(
          `the certificate is signed by "${issuer}", which is none of ${trusted}, and the server shows no certificate that leads there`,
        ),
      ];
    case "CERT_SIGNATURE_FAILURE":
      return [
        wrong(`the signature is not by "${issuer}" as --cacert has it: same name, other key`),
      ];
    case "INVALID_CA":
      return [wrong(`"${issuer}" is no authority: its basic constraints do not say CA:TRUE`)];
    case "INVALID_PURPOSE":
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      // Told with the usage and the dates.
      return [];
    default:
      return [wrong(`the chain does not verify: ${code}`)];
  }
}

function dateFindings(certificate: X509Certificate, what: string, { nowMs }: Question): Finding[] {
  const fromMs = Date.parse(certificate.validFrom);
  const untilMs = Date.parse(certificate.validTo);
  if (nowMs < fromMs) return [wrong(`${what} is valid only from ${iso(fromMs)} on`)];
  if (nowMs > untilMs) return [wrong(`${what} has expired at ${iso(untilMs)}`)];
  const days = Math.floor((untilMs - nowMs) / DAY_MS);
  if (days >= SOON_DAYS) return [];
  return [warning(`${what} expires at ${iso(untilMs)}, in ${days} days`)];
}

function iso(ms: number): string {
  return new Date(ms).toISOString().replace(".000Z", "Z");
}

function nameFindings(leaf: X509Certificate, name: string): Finding[] {
  const names = leaf.subjectAltName;
  if (names === undefined) {
    return [
      wrong(
        `the certificate names no host: it has no subjectAltName, and the common name does not count`,
      ),
    ];
  }
  if (checkServerIdentity(name, leaf.toLegacyObject()) === undefined) return [];
  return [wrong(`the certificate is for ${names}, not for ${name}`)];
}

/** Purposes (extended key usage); a certificate without the extension is for all. */
function usageFindings({ keyUsage: purposes }: X509Certificate): Finding[] {
  if (purposes === undefined) return [];
  const found: Finding[] = [];
  if (!purposes.includes(SERVER_AUTH)) {
    found.push(
      wrong("the certificate may not be used by servers: extendedKeyUsage lacks serverAuth"),
    );
  }
  if (!purposes.includes(CLIENT_AUTH)) {
    found.push(
      warning(
        "the certificate may not be used by clients (extendedKeyUsage lacks clientAuth): it is no peer certificate",
      ),
    );
  }
  return found;
}

function keyFindings({ publicKey }: X509Certificate): Finding[] {
  const { modulusLength: bits } = publicKey.asymmetricKeyDetails ?? {};
  if (bits === undefined || bits >= MIN_RSA_BITS) return [];
  return [wrong(`the RSA key has ${bits} bits; clients want at least ${MIN_RSA_BITS}`)];
}

function protocolFindings(protocol: string | undefined): Finding[] {
  if (protocol === "h2") return [];
  return [wrong("the server does not offer HTTP/2 (ALPN), which gRPC needs: is it etcd?")];
}

function ownFindings(question: Question): Finding[] {
  const { own } = question;
  if (own === undefined) return [];
  const found = dateFindings(own, "the certificate of --cert", question);
  const purposes: string[] | undefined = own.keyUsage;
  if (purposes !== undefined && !purposes.includes(CLIENT_AUTH)) {
    found.push(
      wrong(
        "the certificate of --cert may not be used by clients: extendedKeyUsage lacks clientAuth",
      ),
    );
  }
  return found;
}

/** In TLS 1.3 a server refuses a client's certificate only after the handshake. */
function reactionFindings(probe: Extract<Probe, { kind: "shown" }>, { own }: Question): Finding[] {
  const { reaction, alert } = probe;
  if (reaction === "answered") return [];
  if (reaction === "silent") return [wrong("the server says nothing after the handshake")];
  const said = alert === undefined ? "" : ` (${alert})`;
  if (own === undefined) {
    return [
      wrong(`the server hung up on a client without a certificate${said}: give --cert and --key`),
    ];
  }
  return [
    wrong(
      `the server does not accept "${nameText(own.subject)}" of --cert${said}: another authority, revoked, or not allowed; its log says which`,
    ),
  ];
}
