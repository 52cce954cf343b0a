/** The versions of a key: what each changed, and the way back to one. */
import { useEffect, useState } from "preact/hooks";
import { type ApiError, asApiError } from "../api/api-error.ts";
import { type KeyValue, range } from "../api/kv.ts";
import { useApp, useReadOnly } from "../frame/app.ts";
import { sizeText } from "../keys/value-format.ts";
import { Button } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Failure, Loading } from "../ui/notice.tsx";
import { DiffView } from "./diff-view.tsx";
import { type WalkEnd, walkVersions } from "./versions.ts";

/** Versions that are read at a time: each is a question. */
const PAGE_VERSIONS = 20;

export interface HistoryTabProps {
  /** Of the store; `key` itself is a word of Preact. */
  readonly name: Uint8Array;
  /** The newest version to show. */
  readonly revision: number;
  /** The version that the key has now; undefined: it is deleted. */
  readonly current: KeyValue | undefined;
  readonly onRevert: (version: KeyValue) => Promise<void>;
}

export function HistoryTab({ name: key, revision, current, onRevert }: HistoryTabProps) {
  const { api } = useApp();
  const isReadOnly = useReadOnly();
  const [versions, setVersions] = useState<readonly KeyValue[]>([]);
  const [end, setEnd] = useState<WalkEnd | "loading" | ApiError>("loading");
  /** By its revision: newer versions may come before it. */
  const [chosenRevision, setChosen] = useState(0);
  const [reverting, setReverting] = useState<KeyValue>();
  const load = async (known: readonly KeyValue[], signal: AbortSignal): Promise<void> => {
    setEnd("loading");
    const oldest = known.at(-1);
    const from = oldest === undefined ? revision : oldest.modRevision - 1;
    try {
      const ask = (request: Parameters<typeof range>[1]) => range(api, request, { signal });
      const page = await walkVersions(ask, key, from, PAGE_VERSIONS, signal);
      if (signal.aborted) return;
      setVersions([...known, ...page.versions]);
      setEnd(page.end);
    } catch (error) {
      if (!signal.aborted) setEnd(asApiError(error));
    }
  };
  useEffect(() => {
    const controller = new AbortController();
    void load([], controller.signal);
    return () => controller.abort();
  }, [api, key, revision]);
  const chosen = Math.max(
    0,
    versions.findIndex(({ modRevision }) => modRevision === chosenRevision),
  );
  const version = versions[chosen];
  const before = versions[chosen + 1];
  return (
    <div class="history">
      <ol class="history-list plain" aria-label="Versions">
        {versions.map((each, i) => (
          <li key={each.modRevision}>
            <button
              type="button"
              class="history-item"
              aria-pressed={i === chosen}
              onClick={() => setChosen(each.modRevision)}
            >
              <span>Version {each.version}</span>
              <span class="muted">
                revision {each.modRevision}, {sizeText(each.value.length)}
              </span>
            </button>
          </li>
        ))}
        <li>
          <WalkEndLine
            end={end}
            isEmpty={versions.length === 0}
            onMore={() => void load(versions, new AbortController().signal)}
          />
        </li>
      </ol>
      {version !== undefined && (
        <div class="stack history-diff">
          <DiffView
            before={before?.value ?? new Uint8Array(0)}
            after={version.value}
            beforeName={before === undefined ? "nothing" : `version ${before.version}`}
            afterName={`version ${version.version}`}
          />
          {!isReadOnly && version.modRevision !== current?.modRevision && (
            <div class="actions">
              <Button onClick={() => setReverting(version)}>
                Revert to version {version.version}
              </Button>
            </div>
          )}
        </div>
      )}
      {reverting !== undefined && (
        <Confirm
          title={`Revert to version ${reverting.version}`}
          action="Write it again"
          onClose={() => setReverting(undefined)}
          run={() => onRevert(reverting)}
        >
          <p>
            The key gets a new version with this value. It is written only if nobody has changed the
            key since.
          </p>
          <DiffView
            before={current?.value ?? new Uint8Array(0)}
            after={reverting.value}
            beforeName={current === undefined ? "deleted" : "now"}
            afterName={`version ${reverting.version}`}
          />
        </Confirm>
      )}
    </div>
  );
}

function WalkEndLine(props: {
  readonly end: WalkEnd | "loading" | ApiError;
  readonly isEmpty: boolean;
  readonly onMore: () => void;
}) {
  switch (props.end) {
    case "loading":
      return <Loading />;
    case "more":
      return <Button onClick={props.onMore}>Older versions</Button>;
    case "created":
      return <p class="hint">{props.isEmpty ? "The key did not exist then." : "Created here."}</p>;
    case "compacted":
      return <p class="hint">What was before has been compacted.</p>;
    default:
      return <Failure error={props.end} onRetry={props.onMore} />;
  }
}
