/** One key: its value, what is known about it, its history, and what can be done. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type ApiError, asApiError } from "../api/api-error.ts";
import { shownText } from "../api/bytes.ts";
import { type KeyValue, range } from "../api/kv.ts";
import { lastOf, useApp, useLoad, useObservable, useReadOnly } from "../frame/app.ts";
import { HistoryTab } from "../history/history-tab.tsx";
import { Button } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Empty, Failure, Loading, Notice } from "../ui/notice.tsx";
import { whileShown } from "../ui/while-shown.ts";
import { Conflict } from "./conflict.tsx";
import { LeaseLine } from "./lease-line.tsx";
import { bytesOfDraft, type Draft, draftOf, FORMAT_NAMES, ValueEditor } from "./value-editor.tsx";
import { type Format, FORMATS, guessFormat, sizeText } from "./value-format.ts";
import { ValueText } from "./value-text.tsx";
import { deleteKeys, watchKey, writeKey } from "./write.ts";

export interface KeyDetailProps {
  readonly name: Uint8Array;
  /** 0: the newest. */
  readonly revision: number;
  readonly tab: "value" | "history";
  readonly onTab: (tab: "value" | "history") => void;
  /** The key was made or deleted: the tree must look again. */
  readonly onChanged: () => void;
  readonly onClose: () => void;
}

export function KeyDetail(props: KeyDetailProps) {
  const { name, revision, tab, onTab, onClose } = props;
  const { api } = useApp();
  const [loaded, reload] = useLoad(
    async (signal) => {
      const [then, now] = await Promise.all([
        range(api, { key: name, revision }, { signal }),
        revision === 0 ? undefined : range(api, { key: name }, { signal }),
      ]);
      const newest = now ?? then;
      return { shown: then.kvs[0], current: newest.kvs[0], storeRevision: newest.revision };
    },
    [name, revision],
  );
  usePresence(name, loaded.kind === "ready" ? loaded.value : undefined, props.onChanged);
  const value = lastOf(loaded);
  // What is being written survives a moment without the member; what may not be read goes.
  const isDenied = loaded.kind === "failed" && loaded.error.kind === "denied";
  const isSame = value !== undefined && sameKey(value.shown, name) && !isDenied;
  return (
    <section class="detail" aria-label="Key">
      <header class="detail-head">
        <Button kind="quiet" label="Back to the keys" onClick={onClose}>
          ←
        </Button>
        <h2 class="detail-name mono">{shownText(name)}</h2>
        <Choice
          label="Part"
          options={[
            ["value", "Value"],
            ["history", "History"],
          ]}
          value={tab}
          onChange={onTab}
        />
      </header>
      {loaded.kind === "failed" && <Failure error={loaded.error} onRetry={reload} />}
      {loaded.kind === "loading" && !isSame && <Loading />}
      {value && (loaded.kind === "ready" || isSame) && (
        <KeyBody key={shownText(name)} {...props} {...value} reload={reload} />
      )}
    </section>
  );
}

/**
 * Tells when the key has come or gone since it was last read. Whoever reads it anew may find that
 * before a watch could say so.
 */
function usePresence(
  name: Uint8Array,
  read: { readonly current: KeyValue | undefined } | undefined,
  onChanged: () => void,
): void {
  const last = useRef<{ readonly name: string; readonly isThere: boolean } | undefined>(undefined);
  useEffect(() => {
    if (read === undefined) return;
    const now = { name: shownText(name), isThere: read.current !== undefined };
    const before = last.current;
    last.current = now;
    if (before?.name === now.name && before.isThere !== now.isThere) onChanged();
  }, [name, read]);
}

function sameKey(kv: KeyValue | undefined, name: Uint8Array): boolean {
  return kv !== undefined && shownText(kv.key) === shownText(name);
}

interface KeyBodyProps extends KeyDetailProps {
  readonly shown: KeyValue | undefined;
  readonly current: KeyValue | undefined;
  readonly storeRevision: number;
  readonly reload: () => void;
}

function KeyBody(props: KeyBodyProps) {
  const { name, revision, tab, shown, current, storeRevision, reload, onChanged } = props;
  const { api } = useApp();
  const [editing, setEditing] = useState<Editing>();
  const [changed, setChanged] = useState(0);
  useOutsideChanges(name, revision === 0 ? storeRevision : undefined, (changeRevision) => {
    if (editing === undefined) reload();
    else setChanged(changeRevision);
  });
  const revert = async (version: KeyValue): Promise<void> => {
    const outcome = await writeKey(api, {
      ...{ key: name, value: version.value, seenRevision: current?.modRevision ?? 0 },
      lease: current?.lease ?? "0",
    });
    if (outcome.kind === "conflict") throw new Error("Somebody else has changed the key since.");
    reload();
    onChanged();
  };
  if (tab === "history") {
    return (
      <HistoryTab
        name={name}
        revision={revision === 0 ? storeRevision : revision}
        current={current}
        onRevert={revert}
      />
    );
  }
  if (shown === undefined) {
    return (
      <Empty title={revision === 0 ? "This key does not exist" : "This key did not exist then"}>
        {revision === 0 && <p>It may have been deleted; its history may still be there.</p>}
      </Empty>
    );
  }
  return <ValueTab {...{ ...props, shown, editing, setEditing, changed, setChanged }} />;
}

interface Editing {
  readonly draft: Draft;
  /** Of the version that it began from, whatever has been read since. */
  readonly seenRevision: number;
}

interface ValueTabProps extends KeyBodyProps {
  readonly shown: KeyValue;
  /** Lives on while the history is looked at. */
  readonly editing: Editing | undefined;
  readonly setEditing: (editing: Editing | undefined) => void;
  /** Revision of somebody else's change since; 0 for none. */
  readonly changed: number;
  readonly setChanged: (revision: number) => void;
}

function ValueTab(props: ValueTabProps) {
  const { name, revision, shown, reload, onChanged, onClose } = props;
  const { editing, setEditing, changed, setChanged } = props;
  const draft = editing?.draft;
  const newest = Math.max(changed, shown.modRevision);
  const { api } = useApp();
  const isReadOnly = useReadOnly() || revision !== 0;
  const [format, setFormat] = useState<Format>(() => guessFormat(shown.value));
  const [conflict, setConflict] = useState<{ readonly theirs: KeyValue | undefined }>();
  const [error, setError] = useState<ApiError>();
  const [isDeleting, setDeleting] = useState(false);
  const save = async (seenRevision: number): Promise<void> => {
    const value = draft && bytesOfDraft(draft);
    if (value === undefined) return;
    setError(undefined);
    setConflict(undefined);
    try {
      const { lease } = shown;
      const outcome = await writeKey(api, { key: name, value, seenRevision, lease });
      if (outcome.kind === "conflict") {
        setConflict(outcome);
        return;
      }
      setEditing(undefined);
      setChanged(0);
      reload();
      if (seenRevision === 0) onChanged();
    } catch (failure) {
      setError(asApiError(failure));
    }
  };
  const leave = (): void => {
    setEditing(undefined);
    setConflict(undefined);
    setChanged(0);
    reload();
  };
  return (
    <>
      <Facts shown={shown} />
      {editing !== undefined && newest > editing.seenRevision && (
        <Notice kind="warning">
          Somebody else has changed this key (revision {newest}). Saving will show both sides.
        </Notice>
      )}
      {error !== undefined && <Failure error={error} />}
      {editing === undefined ? (
        <>
          <div class="row">
            <Choice
              label="Show as"
              options={FORMATS.map((each) => [each, FORMAT_NAMES[each]] as const)}
              value={format}
              onChange={setFormat}
            />
            <span class="grow" />
            {!isReadOnly && (
              <>
                <Button
                  onClick={() =>
                    setEditing({
                      draft: draftOf(shown.value, format),
                      seenRevision: shown.modRevision,
                    })
                  }
                >
                  Edit
                </Button>
                <Button kind="danger" onClick={() => setDeleting(true)}>
                  Delete
                </Button>
              </>
            )}
          </div>
          <ValueText key={shown.modRevision} value={shown.value} format={format} />
        </>
      ) : (
        <>
          <ValueEditor
            draft={editing.draft}
            onChange={(next) => setEditing({ ...editing, draft: next })}
          />
          <div class="actions">
            <Button onClick={leave}>Cancel</Button>
            <Button
              kind="primary"
              disabled={bytesOfDraft(editing.draft) === undefined}
              onClick={() => void save(editing.seenRevision)}
            >
              Save
            </Button>
          </div>
        </>
      )}
      {conflict !== undefined && draft !== undefined && (
        <Conflict
          mine={bytesOfDraft(draft) ?? new Uint8Array(0)}
          theirs={conflict.theirs}
          onOverwrite={() => void save(conflict.theirs?.modRevision ?? 0)}
          onTakeTheirs={leave}
          onClose={() => setConflict(undefined)}
        />
      )}
      {isDeleting && (
        <Confirm
          title="Delete this key"
          action="Delete"
          run={() => deleteKeys(api, { key: name })}
          onClose={(done) => {
            setDeleting(false);
            if (!done) return;
            onChanged();
            onClose();
          }}
        >
          <p class="mono wrap">{shownText(name)}</p>
        </Confirm>
      )}
    </>
  );
}

/** Between two looks at a key that changes all the time. */
const SETTLE_MS = 250;

/**
 * Calls `onChange` with the revision of the last of the changes since `seenRevision`; undefined:
 * nobody looks.
 */
function useOutsideChanges(
  name: Uint8Array,
  seenRevision: number | undefined,
  onChange: (revision: number) => void,
): void {
  const { api, connection } = useApp();
  const { generation } = useObservable(connection.state);
  const newest = useRef(onChange);
  newest.current = onChange;
  useEffect(() => {
    if (seenRevision === undefined) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last: number | undefined;
    const tell = (): void => {
      timer = undefined;
      if (last !== undefined) newest.current(last);
    };
    const follow = async (signal: AbortSignal): Promise<void> => {
      for await (const revision of watchKey(api, name, seenRevision + 1, signal)) {
        last = revision;
        timer ??= setTimeout(tell, SETTLE_MS);
      }
    };
    // Without the right to watch, or while the member is away, the value stays as it was read.
    const end = whileShown((signal) => void follow(signal).catch(() => undefined));
    return () => {
      end();
      clearTimeout(timer);
    };
  }, [api, generation, name, seenRevision]);
}

function Facts({ shown }: { readonly shown: KeyValue }) {
  return (
    <dl class="facts">
      <div>
        <dt>Version</dt>
        <dd>{shown.version}</dd>
      </div>
      <div>
        <dt>Changed at revision</dt>
        <dd>{shown.modRevision}</dd>
      </div>
      <div>
        <dt>Created at revision</dt>
        <dd>{shown.createRevision}</dd>
      </div>
      <div>
        <dt>Size</dt>
        <dd>{sizeText(shown.value.length)}</dd>
      </div>
      {shown.lease !== "0" && (
        <div>
          <dt>Lease</dt>
          <dd class="row">
            <LeaseLine lease={shown.lease} />
          </dd>
        </div>
      )}
    </dl>
  );
}
