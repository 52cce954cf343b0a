/** `etcdctl watch`: prints events, or runs a command for each. */
import { ERRORS } from "../../../api/errors.ts";
import { Event, Event_EventType, KeyValue } from "../../../api/gen/kv.ts";
import { ResponseHeader, WatchResponse } from "../../../api/gen/rpc.ts";
import {
  EtcdClientError,
  type KeyValue as ClientKeyValue,
  type Watcher,
  type WatchResponse as ClientWatchResponse,
} from "../../../client/index.ts";
import { Command, type Invocation } from "../../framework/command.ts";
import { ExitCode, exitWithError } from "../../framework/exit.ts";
import { FlagSet } from "../../framework/flags.ts";
import { quote } from "../../../base/go-quote.ts";
import { bytesOfText } from "../../../base/raw-text.ts";
import { WATCH_ROW } from "../key-rows.ts";
import { eventTypeName, watchView } from "../key-view.ts";
import { runCommand } from "../run-command.ts";
import { errorText, openSession, type Session } from "../session.ts";
import { formatOf, show } from "../view.ts";
import {
  type WatchEnvironment,
  type WatchTarget,
  type WatchWords,
  watchTarget,
} from "../watch-line.ts";
import { splitWords } from "../words.ts";

export async function watch(call: Invocation): Promise<void> {
  const { args, flags, io } = call;
  const environment: WatchEnvironment = {
    key: io.env.ETCDCTL_WATCH_KEY ?? "",
    rangeEnd: io.env.ETCDCTL_WATCH_RANGE_END ?? "",
  };
  if (environment.key === "" && environment.rangeEnd !== "") {
    const range = quote(environment.rangeEnd);
    exitWithError(
      ExitCode.BAD_ARGS,
      `ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=${range}`,
    );
  }
  if (flags.bool("interactive")) return watchInteractively(call, environment);
  const target = watchTarget(splitAtDash(args, flags.argsBeforeDash), environment);
  if ("error" in target) exitWithError(ExitCode.BAD_ARGS, target.error);
  const session = await openSession(call);
  const watcher = startWatch(session, target, flags);
  if (typeof watcher === "string") exitWithError(ExitCode.BAD_ARGS, watcher);
  await printWatch(session, watcher, target.command);
  exitWithError(ExitCode.INTERRUPTED, "watch is canceled by the server");
}

function splitAtDash(args: readonly string[], before: number | undefined): WatchWords {
  return before === undefined
    ? { keys: args, command: undefined }
    : { keys: args.slice(0, before), command: args.slice(before) };
}

/** Commands from standard input: "watch ..." and "progress". */
async function watchInteractively(call: Invocation, environment: WatchEnvironment): Promise<void> {
  const { io } = call;
  const session = await openSession(call);
  let latest: Watcher | undefined;
  for (;;) {
    const line = await io.stdin.readLine();
    if (line?.endsWith("\n") !== true) {
      exitWithError(ExitCode.INVALID_INPUT, "error reading watch request line: EOF");
    }
    const text = line.slice(0, -1);
    const [word, ...words] = splitWords(text);
    if (word === undefined) {
      io.err(`Invalid command: ${text} (watch and progress supported)\n`);
    } else if (word === "progress") {
      latest?.requestProgress();
    } else if (word !== "watch") {
      io.err(`Invalid command ${text} (only support watch)\n`);
    } else if (words.length === 0 && environment.key === "") {
      io.err(`Invalid command ${text} (command type or key is not provided)\n`);
    } else {
      latest = startLine(session, text, words, environment) ?? latest;
    }
  }
}

function startLine(
  session: Session,
  line: string,
  words: readonly string[],
  environment: WatchEnvironment,
): Watcher | undefined {
  const flags = new FlagSet(new Command(WATCH_ROW).localFlags);
  const wrong = flags.parse(words);
  if (wrong !== undefined) exitWithError(ExitCode.BAD_ARGS, wrong);
  const target = watchTarget(splitAtDash(flags.args, flags.argsBeforeDash), environment);
  if ("error" in target) exitWithError(ExitCode.BAD_ARGS, target.error);
  const watcher = startWatch(session, target, flags);
  if (typeof watcher === "string") {
    session.call.io.err(`Invalid command ${line} (${watcher})\n`);
    return undefined;
  }
  // Goes on beside the input; a failure inside ends the process.
  printWatch(session, watcher, target.command).catch((error: unknown) => {
    session.call.io.err(`Error: ${errorText(error)}\n`);
    process.exit(ExitCode.ERROR);
  });
  return watcher;
}

function startWatch(session: Session, target: WatchTarget, flags: FlagSet): Watcher | string {
  const prefix = flags.bool("prefix");
  const { rangeEnd } = target;
  if (prefix && rangeEnd !== undefined) return "`range_end` and `--prefix` are mutually exclusive";
  return session.client.watch(bytesOfText(target.key), {
    prefix,
    ...(rangeEnd === undefined ? {} : { rangeEnd: bytesOfText(rangeEnd) }),
    startRevision: flags.number("rev"),
    prevKV: flags.bool("prev-kv"),
    progressNotify: flags.bool("progress-notify"),
    requireLeader: true,
  });
}

/** Returns when the server has cancelled the watch. */
async function printWatch(
  session: Session,
  watcher: Watcher,
  command: readonly string[],
): Promise<void> {
  const { call } = session;
  const header = await headerFor(session);
  try {
    for await (const response of watcher) {
      if (response.isProgress) call.io.out(`progress notify: ${response.revision}\n`);
      const raw = rawResponse(header, response);
      show(call, watchView(raw));
      if (command.length > 0) await runForEach(call, raw, command);
    }
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    const { compactRevision } = error;
    const reason = error.kind === "compacted" ? ERRORS.compacted.message : errorText(error);
    call.io.err(`watch was canceled (${reason})\n`);
    const last = { header: { ...header, revision: 0 }, compactRevision, canceled: true };
    show(call, watchView(WatchResponse.create(last)));
  }
}

/** The client tells revisions only; ids are the same in all answers of a member. */
async function headerFor({ call, client, bounded }: Session): Promise<ResponseHeader> {
  const format = formatOf(call);
  if (format === "simple" || format === "table") return ResponseHeader.create();
  try {
    const { header } = await client.maintenance.status(bounded);
    return header ?? ResponseHeader.create();
  } catch {
    return ResponseHeader.create();
  }
}

function rawResponse(header: ResponseHeader, response: ClientWatchResponse): WatchResponse {
  return WatchResponse.create({
    header: { ...header, revision: response.revision },
    events: response.events.map(({ type, kv, prevKV }) =>
      Event.create({
        type: type === "delete" ? Event_EventType.DELETE : Event_EventType.PUT,
        kv: rawKeyValue(kv),
        prevKv: prevKV === undefined ? undefined : rawKeyValue(prevKV),
      }),
    ),
  });
}

function rawKeyValue(kv: ClientKeyValue): KeyValue {
  const { key, value, createRevision, modRevision, version, lease } = kv;
  return KeyValue.create({ key, value, createRevision, modRevision, version, lease });
}

async function runForEach(
  call: Invocation,
  response: WatchResponse,
  command: readonly string[],
): Promise<void> {
  for (const event of response.events) {
    const { key, value } = event.kv ?? KeyValue.create();
    const { failure } = await runCommand(command, {
      ...call.io.env,
      ETCD_WATCH_REVISION: String(response.header?.revision ?? 0),
      ETCD_WATCH_EVENT_TYPE: `"${eventTypeName(event)}"`,
      ETCD_WATCH_KEY: quote(key),
      ETCD_WATCH_VALUE: quote(value),
    });
    if (failure === undefined) continue;
    call.io.err(`command [${command.map((word) => quote(word)).join(" ")}] error (${failure})\n`);
    process.exit(ExitCode.ERROR);
  }
}
