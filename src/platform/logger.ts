/**
 * The logger of the product: zap's lines, levels, sampling and outputs as etcd sets them up.
 *
 * Level and sampling are decided before a line is built. Lines leave once per turn of the event
 * loop; a fatal line, `flushSync` and the end of the process write what is queued at once, so that
 * the last lines before a stop are never lost (except to SIGKILL).
 */

import { systemErrorCode, systemErrorText } from "../base/system-errors.ts";
import type { Logger, LogFields, LogLevel } from "../env/logger.ts";
import { SystemClock } from "../env/system-clock.ts";
import { unbundled } from "./bundle-places.ts";
import { encodeEntry, type LogFormat } from "./logger-encoder.ts";
import { parseRotationOptions, RotatingFile } from "./logger-rotation.ts";
import {
  JOURNAL_SOCKET,
  JournalSink,
  type LogSink,
  type LogTarget,
  openLogFile,
  openStandardStream,
  QueuedSink,
} from "./logger-sinks.ts";
import { systemCalls } from "./system-calls.ts";

export interface LoggerOptions {
  /** `--log-level`. Default "info". */
  readonly level?: LogLevel;
  /** `--log-format`. Default "json". */
  readonly format?: LogFormat;
  /** `--log-outputs`: default, stderr, stdout, systemd/journal or file paths. */
  readonly outputs?: readonly string[];
  /** `--log-rotation-config-json`, if `--enable-log-rotation` is set. */
  readonly rotationJson?: string | undefined;
  /** Milliseconds since the Unix epoch, with a fraction. Default: the system's clock. */
  readonly wallMs?: () => number;
  /** Replaces `outputs`. */
  readonly sinks?: readonly LogSink[];
  /** 100 lines per second and message, then every 100th. Default true. */
  readonly sampling?: boolean;
  /** Name of the program for the journal. Default "etcd". */
  readonly identifier?: string;
}

/** The logger that owns the outputs. Its children share them. */
export interface RootLogger extends Logger {
  /** Changes the level of this logger and all its children. */
  setLevel(level: LogLevel): void;
  /** Writes all queued lines now. */
  flushSync(): void;
  /** Flushes and closes the outputs; later lines are dropped. */
  close(): void;
}

const SEVERITY: Readonly<Record<LogLevel, number>> = {
  debug: -1,
  info: 0,
  warn: 1,
  error: 2,
  fatal: 5,
};

/** Parses `--log-level` as zap does: any case; "dpanic" and "panic" show fatal lines only. */
export function parseLogLevel(text: string): LogLevel {
  const level = text.toLowerCase();
  if (level === "") return "info";
  if (level === "dpanic" || level === "panic") return "fatal";
  if (Object.hasOwn(SEVERITY, level)) return level as LogLevel;
  throw new Error(`unrecognized level: ${JSON.stringify(text)}`);
}

/** Parses `--log-format`. */
export function parseLogFormat(text: string): LogFormat {
  if (text === "" || text === "json") return "json";
  if (text === "console") return "console";
  throw new Error(`unknown log format: ${text}, supported values json, console`);
}

/** Throws an Error with etcd's words when the outputs cannot be opened together. */
export function createLogger(options: LoggerOptions = {}): RootLogger {
  const wallMs = options.wallMs ?? fineWallClock();
  const sinks = options.sinks ?? openOutputs(options, wallMs);
  const core = new LoggerCore(options, sinks, wallMs);
  return new ZapLogger(core, undefined, undefined);
}

function openOutputs(options: LoggerOptions, wallMs: () => number): LogSink[] {
  const outputs = [...(options.outputs ?? ["default"])];
  if (outputs.length === 0) outputs.push("default");
  if (outputs.length > 1 && outputs.includes("default")) {
    throw new Error('multi logoutput for "default" is not supported yet');
  }
  const files = outputs.filter((output) => !STANDARD_OUTPUTS.has(output));
  const { rotationJson } = options;
  if (rotationJson !== undefined && files.length !== 1) {
    throw new Error(
      "--log-outputs requires a single file path when --log-rotate-config-json is defined",
    );
  }
  const rotation = rotationJson === undefined ? undefined : parseRotationOptions(rotationJson);
  if (outputs.includes("systemd/journal")) return [openJournal(outputs, options.identifier)];
  if (outputs.includes("/dev/null")) return [];
  const droppedLine = (count: number): string => encodeDropped(count, options, wallMs());
  const queued = (target: LogTarget): LogSink => new QueuedSink(target, { droppedLine });
  return [...new Set(outputs)].sort().map((output) => {
    if (output === "default" || output === "stderr") return queued(openStandardStream(2));
    if (output === "stdout") return queued(openStandardStream(1));
    const path = output.startsWith("file://") ? output.slice("file://".length) : output;
    try {
      return queued(
        rotation === undefined ? openLogFile(path) : new RotatingFile(path, rotation, { wallMs }),
      );
    } catch (error) {
      throw new Error(`open sink ${JSON.stringify(output)}: ${describeOpenError(error, path)}`);
    }
  });
}

/** Tells in the log itself that its reader was too slow. */
function encodeDropped(count: number, options: LoggerOptions, wallMs: number): string {
  return encodeEntry(
    {
      level: "warn",
      wallMs,
      name: undefined,
      caller: undefined,
      message: "dropped log lines because the log output was blocked",
      fields: { count },
      stack: undefined,
    },
    options.format ?? "json",
  );
}

const STANDARD_OUTPUTS: ReadonlySet<string> = new Set(["default", "stderr", "stdout"]);

/** As Go words it: `open /x/y.log: no such file or directory`. */
function describeOpenError(error: unknown, path: string): string {
  const reason = systemErrorText(error);
  return systemErrorCode(error) === "" ? reason : `open ${path}: ${reason}`;
}

function openJournal(outputs: readonly string[], identifier = "etcd"): LogSink {
  if (outputs.length > 1) {
    const shown = `[${outputs.map((output) => JSON.stringify(output)).join(" ")}]`;
    throw new Error(
      `running with systemd/journal but other '--log-outputs' values (${shown}) are configured ` +
        "with 'default'; override 'default' value with something else",
    );
  }
  const calls = systemCalls();
  const probe =
    calls instanceof Error
      ? calls.message
      : calls.sendUnixDatagram(JOURNAL_SOCKET, new Uint8Array(0));
  if (calls instanceof Error || probe !== 0) {
    throw new Error(`can't find journal (${JOURNAL_SOCKET}: ${probe})`);
  }
  return new JournalSink(
    (datagram) => calls.sendUnixDatagram(JOURNAL_SOCKET, datagram),
    identifier,
    new QueuedSink(openStandardStream(2)),
  );
}

const flushAtExit = new Set<LoggerCore>();

function flushAll(): void {
  for (const core of flushAtExit) core.flushSync();
}

/** What a logger and its children share. */
class LoggerCore {
  level: number;
  readonly wallMs: () => number;
  readonly #format: LogFormat;
  readonly #sinks: readonly LogSink[];
  readonly #sampler: Sampler | undefined;

  constructor(options: LoggerOptions, sinks: readonly LogSink[], wallMs: () => number) {
    this.level = SEVERITY[options.level ?? "info"];
    this.wallMs = wallMs;
    this.#format = options.format ?? "json";
    this.#sinks = sinks;
    this.#sampler = options.sampling === false ? undefined : new Sampler();
    flushAtExit.add(this);
    if (flushAtExit.size === 1) process.on("exit", flushAll);
  }

  log(logger: ZapLogger, level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (SEVERITY[level] < this.level || this.#sinks.length === 0) return;
    const wallMs = this.wallMs();
    if (level !== "fatal" && this.#sampler?.drops(level, message, wallMs)) return;
    const isError = SEVERITY[level] >= SEVERITY.error;
    const frames = captureFrames(isError);
    const line = encodeEntry(
      {
        level,
        wallMs,
        name: logger.name,
        caller: logger.caller ?? frames.caller,
        message,
        fields,
        stack: frames.stack,
      },
      this.#format,
    );
    for (const sink of this.#sinks) sink.write(line);
    if (level === "fatal") this.flushSync();
  }

  flushSync(): void {
    for (const sink of this.#sinks) sink.flushSync();
  }

  close(): void {
    flushAtExit.delete(this);
    if (flushAtExit.size === 0) process.off("exit", flushAll);
    for (const sink of this.#sinks) sink.close();
  }
}

class ZapLogger implements RootLogger {
  readonly #core: LoggerCore;
  readonly name: string | undefined;
  readonly caller: string | undefined;

  constructor(core: LoggerCore, name: string | undefined, caller: string | undefined) {
    this.#core = core;
    this.name = name;
    this.caller = caller;
  }

  enabled(level: LogLevel): boolean {
    return SEVERITY[level] >= this.#core.level;
  }

  debug(message: string, fields?: LogFields): void {
    this.#core.log(this, "debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#core.log(this, "info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#core.log(this, "warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#core.log(this, "error", message, fields);
  }

  fatal(message: string, fields?: LogFields): void {
    this.#core.log(this, "fatal", message, fields);
  }

  child(options: { readonly name?: string; readonly caller?: string }): Logger {
    const { name } = options;
    const fullName =
      name === undefined ? this.name : this.name === undefined ? name : `${this.name}.${name}`;
    return new ZapLogger(this.#core, fullName, options.caller ?? this.caller);
  }

  setLevel(level: LogLevel): void {
    this.#core.level = SEVERITY[level];
  }

  flushSync(): void {
    this.#core.flushSync();
  }

  close(): void {
    this.#core.close();
  }
}

/** zap's sampler as etcd sets it up. */
const SAMPLING_FIRST = 100;
const SAMPLING_THEREAFTER = 100;
const SAMPLING_TICK_MS = 1000;
/** Distinct messages are few; when input makes them many, counting starts anew. */
const MAX_SAMPLED_MESSAGES = 4096;

class Sampler {
  readonly #counts = new Map<string, { resetAtMs: number; count: number }>();

  drops(level: LogLevel, message: string, wallMs: number): boolean {
    const key = `${level}${message}`;
    let counter = this.#counts.get(key);
    if (counter === undefined) {
      if (this.#counts.size >= MAX_SAMPLED_MESSAGES) this.#counts.clear();
      counter = { resetAtMs: 0, count: 0 };
      this.#counts.set(key, counter);
    }
    // A clock that was set back must not silence a message until it has caught up.
    if (wallMs >= counter.resetAtMs || wallMs < counter.resetAtMs - SAMPLING_TICK_MS) {
      counter.resetAtMs = wallMs + SAMPLING_TICK_MS;
      counter.count = 0;
    }
    counter.count++;
    if (counter.count <= SAMPLING_FIRST) return false;
    return (counter.count - SAMPLING_FIRST) % SAMPLING_THEREAFTER !== 0;
  }
}

/** Frames of the logger itself: captureFrames, LoggerCore.log, ZapLogger.info. */
const OWN_FRAMES = 3;
const STACK_FRAMES = 16;

interface Frames {
  readonly caller: string | undefined;
  readonly stack: string | undefined;
}

/** The place of the log call as "folder/file.ts:12", and the stack below it if asked for. */
function captureFrames(withStack: boolean): Frames {
  const holder: { stack?: readonly NodeJS.CallSite[] } = {};
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.prepareStackTrace = (_, sites) => sites;
  Error.stackTraceLimit = OWN_FRAMES + (withStack ? STACK_FRAMES : 1);
  Error.captureStackTrace(holder);
  const sites = holder.stack ?? [];
  Error.prepareStackTrace = prepareStackTrace;
  Error.stackTraceLimit = stackTraceLimit;
  const first = sites[OWN_FRAMES];
  return {
    caller: first === undefined ? undefined : shortPlace(first),
    stack: withStack ? formatStack(sites.slice(OWN_FRAMES)) : undefined,
  };
}

function shortPlace(site: NodeJS.CallSite): string {
  const compiled = { file: site.getFileName() ?? "unknown", line: site.getLineNumber() ?? 0 };
  const column = site.getColumnNumber() ?? 0;
  const { file, line } = unbundled(compiled.file, compiled.line, column) ?? compiled;
  return `${file.split("/").slice(-2).join("/")}:${line}`;
}

/** As Go prints stacks: the function, then its place behind a tab. */
function formatStack(sites: readonly NodeJS.CallSite[]): string {
  return sites
    .map((site) => `${site.getFunctionName() ?? "anonymous"}\n\t${shortPlace(site)}`)
    .join("\n");
}

/** Apart by more, the wall clock has been set. */
const MAX_CLOCK_DRIFT_MS = 2;

/** Wall time with microseconds, which `Date` does not have; follows steps of the system's clock. */
function fineWallClock(): () => number {
  const clock = new SystemClock();
  /** Offset of the monotonic clock to the wall clock. */
  let anchorMs = clock.wallMs() - clock.nowMs();
  return () => {
    const coarseMs = clock.wallMs();
    const fineMs = anchorMs + clock.nowMs();
    if (Math.abs(fineMs - coarseMs) <= MAX_CLOCK_DRIFT_MS) return fineMs;
    anchorMs = coarseMs - clock.nowMs();
    return coarseMs;
  };
}
