/** The logger that the settings ask for. */
import { type RootLogger, createLogger, parseLogFormat, parseLogLevel } from "../platform/index.ts";
import type { EtcdConfig } from "./config/index.ts";

/** Throws when an output cannot be opened or a setting of the log is malformed. */
export function openLogger(config: EtcdConfig): RootLogger {
  return createLogger({
    level: parseLogLevel(config.logLevel),
    format: parseLogFormat(config.logFormat),
    outputs: config.logOutputs,
    rotationJson: config.enableLogRotation ? config.logRotationConfigJson : undefined,
  });
}
