/**
 * systemd's readiness protocol (sd_notify(3)): one datagram with `KEY=value` lines to the socket
 * that `NOTIFY_SOCKET` names. Without that variable nothing happens and nothing is loaded.
 */
import type { Logger } from "../env/logger.ts";
import { systemCalls } from "./system-calls.ts";

export type NotifyState = "READY=1" | "STOPPING=1" | `STATUS=${string}`;

/**
 * Tells the service manager about `state`. Returns true when a datagram was sent. A failure is
 * logged and otherwise ignored: the member serves with or without its service manager.
 */
export function sdNotify(
  state: NotifyState,
  logger: Logger,
  socketPath: string | undefined = process.env.NOTIFY_SOCKET,
): boolean {
  if (socketPath === undefined || socketPath === "") return false;
  const calls = systemCalls();
  const result =
    calls instanceof Error
      ? calls.message
      : calls.sendUnixDatagram(socketPath, Buffer.from(state, "utf8"));
  if (result === 0) return true;
  logger.error("failed to notify systemd for readiness", { socket: socketPath, error: result });
  return false;
}
