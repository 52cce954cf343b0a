/** A prefix, watched live: the newest changes first, so many and no more. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type ApiError, asApiError } from "../api/api-error.ts";
import { shownText } from "../api/bytes.ts";
import { useApp, useObservable } from "../frame/app.ts";
import { bytesOfParam, paramOf, routeHref } from "../frame/router.ts";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { bytesText, countText, plural } from "../ui/format.ts";
import { Empty, Failure, Loading } from "../ui/notice.tsx";
import { whileShown } from "../ui/while-shown.ts";
import { type BoundedList, emptyList, withMore } from "./bounded-list.ts";
import { type Change, watchPrefix } from "./watch-feed.ts";

/** Rows that are kept; a busy prefix would fill the tab's memory. */
const KEPT_CHANGES = 500;
/** Between two pictures of a busy prefix: a row for each change would keep the browser from all else. */
const SHOW_MS = 250;
/** Characters of a value that a row shows. */
const SHOWN_VALUE = 200;

export function WatchView({ prefix }: { readonly prefix: string | undefined }) {
  const [draft, setDraft] = useState(prefix ?? "");
  return (
    <div class="stack">
      <form
        class="row form-row"
        onSubmit={(event) => {
          event.preventDefault();
          location.hash = routeHref("live", { view: "watch", prefix: draft, on: "yes" });
        }}
      >
        <Field label="Prefix to watch (empty: all keys)" value={draft} onInput={setDraft} mono />
        <Button kind="primary" type="submit">
          Watch
        </Button>
      </form>
      {prefix === undefined ? (
        <Empty title="No watch yet">Changes show here as they happen.</Empty>
      ) : (
        <Feed key={prefix} prefix={prefix} />
      )}
    </div>
  );
}

type FeedState =
  | { readonly kind: "opening" | "open" }
  | { readonly kind: "failed"; readonly error: ApiError };

function Feed({ prefix }: { readonly prefix: string }) {
  const { api, session, connection } = useApp();
  const login = useObservable(session.state);
  const { generation } = useObservable(connection.state);
  const [state, setState] = useState<FeedState>({ kind: "opening" });
  const [shown, setShown] = useState<BoundedList<Change>>(emptyList);
  const [isPaused, setPaused] = useState(false);
  const [waiting, setWaiting] = useState(0);
  const held = useRef<BoundedList<Change>>(emptyList());
  const paused = useRef(false);
  const waitingNow = useRef(0);
  const [turn, setTurn] = useState(0);
  const next = useRef(0);
  useEffect(() => {
    setState({ kind: "opening" });
    const open = (): void => setState((last) => (last.kind === "open" ? last : { kind: "open" }));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = (): void => {
      timer = undefined;
      if (paused.current) setWaiting(waitingNow.current);
      else setShown(held.current);
    };
    const take = (changes: readonly Change[], nextRevision: number): void => {
      next.current = nextRevision;
      if (changes.length === 0) return;
      held.current = withMore(held.current, changes, KEPT_CHANGES);
      waitingNow.current += changes.length;
      timer ??= setTimeout(show, SHOW_MS);
    };
    const bytes = bytesOfParam(prefix);
    const end = whileShown((signal) => {
      // Out of sight or without the member nothing is missed: it goes on where it ended.
      const fromRevision = next.current;
      const feed = { prefix: bytes, fromRevision, onOpen: open, onChanges: take };
      watchPrefix(api, feed, signal).catch((error: unknown) => {
        if (!signal.aborted) setState({ kind: "failed", error: asApiError(error) });
      });
    });
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [prefix, login, generation, turn]);
  const pause = (on: boolean): void => {
    paused.current = on;
    setPaused(on);
    waitingNow.current = 0;
    setWaiting(0);
    if (!on) setShown(held.current);
  };
  if (state.kind === "failed") {
    const retry = (): void => {
      next.current = 0;
      setTurn((last) => last + 1);
    };
    return <Failure error={state.error} onRetry={retry} />;
  }
  if (state.kind === "opening") return <Loading what="Opening the watch" />;
  return (
    <>
      <div class="row">
        <Button pressed={isPaused} onClick={() => pause(!isPaused)}>
          {isPaused ? "Go on" : "Pause"}
        </Button>
        <Button
          onClick={() => {
            held.current = emptyList();
            waitingNow.current = 0;
            setShown(held.current);
            setWaiting(0);
          }}
        >
          Clear
        </Button>
        <output class="muted">
          {isPaused && `${plural(waiting, "change")} came since. `}
          {shown.dropped > 0 && `${plural(shown.dropped, "older change")} not kept.`}
        </output>
      </div>
      {shown.items.length === 0 ? (
        <Empty title="Watching">Nothing has changed yet.</Empty>
      ) : (
        <ChangeTable changes={shown.items} />
      )}
    </>
  );
}

function ChangeTable({ changes }: { readonly changes: readonly Change[] }) {
  return (
    <div class="table-box">
      <table class="table">
        <thead>
          <tr>
            <th>Time</th>
            <th>Change</th>
            <th>Key</th>
            <th>Value</th>
            <th class="number">Revision</th>
          </tr>
        </thead>
        <tbody>
          {changes.map(({ type, kv, at }) => (
            <tr key={`${kv.modRevision} ${shownText(kv.key)}`}>
              <td class="nowrap">{at.toLocaleTimeString()}</td>
              <td>
                <span class={type === "put" ? "badge badge-good" : "badge badge-danger"}>
                  {type}
                </span>
              </td>
              <td class="mono wrap">
                <a href={routeHref("keys", { key: paramOf(kv.key) })}>{shownText(kv.key)}</a>
              </td>
              <td class="mono wrap">{type === "put" && valueText(kv.value)}</td>
              <td class="number">{countText(kv.modRevision)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function valueText(value: Uint8Array): string {
  const text = shownText(value.subarray(0, SHOWN_VALUE));
  return value.length > SHOWN_VALUE ? `${text}… (${bytesText(value.length)})` : text;
}
