/**
 * Waits for the first record of a TLS client, which nearly always holds its whole hello. Until then
 * a connection costs a socket and these bytes; OpenSSL's part, ten times as much, is made after.
 */
import type { Socket } from "node:net";

/** Type, version, length (RFC 8446, section 5.1). */
const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_RECORD = 0x16;
/** The same section: a record is no longer. */
const MAX_RECORD_BYTES = 16_384;

/**
 * Calls `onHello` once, with the bytes back in the paused socket. Also when it is no TLS at all, and
 * says so. Never when the socket ends before.
 */
export function awaitHello(socket: Socket, onHello: (isHandshake: boolean) => void): void {
  let read: Buffer = Buffer.alloc(0);
  const onData = (chunk: Buffer): void => {
    read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
    if (read.length < wantedBytes(read)) return;
    socket.off("data", onData);
    socket.pause();
    socket.unshift(read);
    onHello(read[0] === HANDSHAKE_RECORD);
  };
  socket.on("data", onData);
  socket.resume();
}

function wantedBytes(read: Buffer): number {
  if (read[0] !== HANDSHAKE_RECORD) return 0;
  if (read.length < RECORD_HEADER_BYTES) return RECORD_HEADER_BYTES;
  return RECORD_HEADER_BYTES + Math.min(read.readUInt16BE(3), MAX_RECORD_BYTES);
}
