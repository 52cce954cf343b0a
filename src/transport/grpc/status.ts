/** gRPC status codes and the text encoding of `grpc-message` (gRPC over HTTP/2 specification). */

export const OK = 0;
export const CANCELLED = 1;
export const UNKNOWN = 2;
export const INVALID_ARGUMENT = 3;
export const DEADLINE_EXCEEDED = 4;
export const RESOURCE_EXHAUSTED = 8;
export const UNIMPLEMENTED = 12;
export const INTERNAL = 13;
export const UNAVAILABLE = 14;

/** Why an answer was withheld from a client that does not read. */
export const UNREAD_OUTPUT = "grpc: too many answers wait unread on this connection";

/** Percent-encodes what is not printable ASCII; the result is a valid field value. */
export function encodeStatusMessage(message: string): string {
  if (/^[\x20-\x24\x26-\x7e]*$/.test(message) && message.trim() === message) return message;
  let encoded = "";
  const bytes = Buffer.from(message, "utf8");
  bytes.forEach((byte, i) => {
    const edge = byte === 0x20 && (i === 0 || i === bytes.length - 1);
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && !edge;
    encoded += plain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  return encoded;
}

/** Reverses `encodeStatusMessage`; a stray percent sign stays as it is. */
export function decodeStatusMessage(value: string): string {
  if (!value.includes("%")) return Buffer.from(value, "latin1").toString("utf8");
  const bytes = Buffer.alloc(value.length);
  let at = 0;
  for (let i = 0; i < value.length; i++) {
    const hex = value.slice(i + 1, i + 3);
    if (value.charAt(i) === "%" && /^[0-9a-fA-F]{2}$/.test(hex)) {
      bytes[at++] = Number.parseInt(hex, 16);
      i += 2;
    } else {
      bytes[at++] = value.charCodeAt(i);
    }
  }
  return bytes.toString("utf8", 0, at);
}
