/**
 * What happens to a client's connections and calls, for those who want to see it: as events for
 * metrics and traces, and as log lines. A client without listeners makes no events.
 */
import type { EtcdClientError } from "./errors.ts";

/** Endpoints as they were given; methods as gRPC paths, such as "/etcdserverpb.KV/Put". */
export type ClientEvent =
  | { readonly kind: "connected"; readonly endpoint: string }
  /** The endpoint is left alone for a while. */
  | { readonly kind: "connectFailed"; readonly endpoint: string; readonly error: Error }
  /** By the other side or the network, not by `close`. */
  | { readonly kind: "disconnected"; readonly endpoint: string; readonly reason: string }
  /** A call is sent again; `attempt` counts those that failed. */
  | {
      readonly kind: "retry";
      readonly method: string;
      readonly endpoint: string;
      readonly attempt: number;
      readonly error: Error;
    }
  /** A stream of watches or of kept leases has broken, and is opened again. */
  | { readonly kind: "streamBroken"; readonly method: string; readonly error: Error | undefined }
  /** A call with one answer has ended, with or without an error. */
  | {
      readonly kind: "call";
      readonly method: string;
      readonly durationMs: number;
      readonly error: EtcdClientError | undefined;
    };

/** `console`, and loggers that take a text and fields. */
export interface ClientLogger {
  debug(message: string, fields: Readonly<Record<string, unknown>>): void;
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export type EventListener = (event: ClientEvent) => void;

/** What the client calls; undefined when nobody listens. */
export function eventListener(
  onEvent: EventListener | undefined,
  logger: ClientLogger | undefined,
): EventListener | undefined {
  if (onEvent === undefined && logger === undefined) return undefined;
  return (event) => {
    try {
      if (logger !== undefined) log(logger, event);
      onEvent?.(event);
    } catch (error) {
      // A listener's fault is the program's; it must not leave a call half done.
      queueMicrotask(() => {
        throw error;
      });
    }
  };
}

function log(logger: ClientLogger, event: ClientEvent): void {
  switch (event.kind) {
    case "connected":
      logger.debug("connected", { endpoint: event.endpoint });
      break;
    case "connectFailed":
      logger.warn("cannot connect", { endpoint: event.endpoint, error: event.error.message });
      break;
    case "disconnected":
      logger.info("disconnected", { endpoint: event.endpoint, reason: event.reason });
      break;
    case "retry": {
      const { method, endpoint, attempt, error } = event;
      logger.info("a call is sent again", { method, endpoint, attempt, error: error.message });
      break;
    }
    case "streamBroken": {
      const reason = event.error?.message ?? "ended by the server";
      logger.info("a stream is opened again", { method: event.method, error: reason });
      break;
    }
    case "call": {
      const { method, durationMs, error } = event;
      if (error !== undefined) {
        logger.debug("a call failed", {
          method,
          durationMs,
          kind: error.kind,
          error: error.message,
        });
      }
      break;
    }
    default:
      event satisfies never;
  }
}
