/** One key: its value, what is known about it, its history, and what can be done. */
import { useEffect, useState } from "preact/hooks";
import { type ApiError, asApiError } from "../api/api-error.ts";
import { shownText } from "../api/bytes.ts";
import { type KeyValue, range } from "../api/kv.ts";
import { useApp, useLoad, useReadOnly } from "../frame/app.ts";
import { HistoryTab } from "../history/history-tab.tsx";
import { Button } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Empty, Failure, Loading, Notice } from "../ui/notice.tsx";
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
  const value = loaded.kind === "ready" ? loaded.value : loaded.kind === "loading" && loaded.last;
  const isSame = value !== undefined && value !== false && sameKey(value.shown, name);
  return (
    <section class="detail" aria-label="Key">
      <header class="detail-head">
        <Button kind="quiet" label="Back to the keys" onClick={onClose}>
          ←
        </Button>
        <h1 class="detail-name mono">{shownText(name)}</h1>
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
  return <ValueTab {...props} shown={shown} />;
}

function ValueTab(props: KeyBodyProps & { readonly shown: KeyValue }) {
  const { name, revision, shown, reload, onChanged, onClose } = props;
  const { api } = useApp();
  const isReadOnly = useReadOnly() || revision !== 0;
  const [format, setFormat] = useState<Format>(() => guessFormat(shown.value));
  const [draft, setDraft] = useState<Draft>();
  const [conflict, setConflict] = useState<{ readonly theirs: KeyValue | undefined }>();
  const [error, setError] = useState<ApiError>();
  const [isDeleting, setDeleting] = useState(false);
  const [changed, setChanged] = useState(0);
  useOutsideChanges(shown, revision, draft === undefined ? reload : setChanged);
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
      setDraft(undefined);
      setChanged(0);
      reload();
      if (seenRevision === 0) onChanged();
    } catch (failure) {
      setError(asApiError(failure));
    }
  };
  const leave = (): void => {
    setDraft(undefined);
    setConflict(undefined);
    setChanged(0);
    reload();
  };
  return (
    <>
      <Facts shown={shown} />
      {changed > shown.modRevision && (
        <Notice kind="warning">
          Somebody else has changed this key (revision {changed}). Saving will show both sides.
        </Notice>
      )}
      {error !== undefined && <Failure error={error} />}
      {draft === undefined ? (
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
                <Button onClick={() => setDraft(draftOf(shown.value, format))}>Edit</Button>
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
          <ValueEditor draft={draft} onChange={setDraft} />
          <div class="actions">
            <Button onClick={leave}>Cancel</Button>
            <Button
              kind="primary"
              disabled={bytesOfDraft(draft) === undefined}
              onClick={() => void save(shown.modRevision)}
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

/** Calls `onChange` with the revision when somebody changes the key that is shown. */
function useOutsideChanges(
  shown: KeyValue,
  revision: number,
  onChange: (revision: number) => void,
): void {
  const { api, connection } = useApp();
  useEffect(() => {
    if (revision !== 0) return undefined;
    const controller = new AbortController();
    const follow = async (): Promise<void> => {
      const changes = watchKey(api, shown.key, shown.modRevision + 1, controller.signal);
      for await (const change of changes) onChange(change.revision);
    };
    // Without the right to watch, or while the member is away, the value stays as it was read.
    follow().catch(() => undefined);
    return () => controller.abort();
  }, [api, connection.state.value.generation, shown, revision, onChange]);
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
