/** A branch of the tree: how many keys are below it, and their end. */
import { useState } from "preact/hooks";
import { shownText } from "../api/bytes.ts";
import { prefixRange, range } from "../api/kv.ts";
import { useApp, useLoad, useReadOnly } from "../frame/app.ts";
import { Button } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Failure, Loading } from "../ui/notice.tsx";
import { deleteKeys } from "./write.ts";

export interface PrefixDetailProps {
  readonly prefix: Uint8Array;
  readonly revision: number;
  readonly onNew: () => void;
  readonly onChanged: () => void;
  readonly onClose: () => void;
}

export function PrefixDetail(props: PrefixDetailProps) {
  const { prefix, revision, onNew, onChanged, onClose } = props;
  const { api } = useApp();
  const isReadOnly = useReadOnly() || revision !== 0;
  const [isDeleting, setDeleting] = useState(false);
  const [loaded, reload] = useLoad(
    (signal) => range(api, { ...prefixRange(prefix), revision, countOnly: true }, { signal }),
    [prefix, revision],
  );
  return (
    <section class="detail" aria-label="Prefix">
      <header class="detail-head">
        <Button kind="quiet" label="Back to the keys" onClick={onClose}>
          ←
        </Button>
        <h2 class="detail-name mono">{shownText(prefix)}</h2>
      </header>
      {loaded.kind === "loading" && <Loading what="Counting" />}
      {loaded.kind === "failed" && <Failure error={loaded.error} onRetry={reload} />}
      {loaded.kind === "ready" && (
        <>
          <p>{keysText(loaded.value.count)} below this prefix.</p>
          {!isReadOnly && (
            <div class="row">
              <Button onClick={onNew}>New key here</Button>
              <Button
                kind="danger"
                disabled={loaded.value.count === 0}
                onClick={() => setDeleting(true)}
              >
                Delete all of them
              </Button>
            </div>
          )}
          {isDeleting && (
            <DeletePrefix
              prefix={prefix}
              onClose={() => setDeleting(false)}
              onDeleted={() => {
                setDeleting(false);
                onChanged();
                reload();
              }}
            />
          )}
        </>
      )}
    </section>
  );
}

function DeletePrefix(props: {
  readonly prefix: Uint8Array;
  readonly onClose: () => void;
  readonly onDeleted: () => void;
}) {
  const { prefix, onClose, onDeleted } = props;
  const { api } = useApp();
  // Counted again: what was shown may be minutes old.
  const [loaded] = useLoad(
    (signal) => range(api, { ...prefixRange(prefix), countOnly: true }, { signal }),
    [prefix],
  );
  const count = loaded.kind === "ready" ? loaded.value.count : undefined;
  return (
    <Confirm
      title="Delete all keys below a prefix"
      action={count === undefined ? "Delete" : `Delete ${keysText(count)}`}
      disabled={count === undefined}
      onClose={(done) => (done ? onDeleted() : onClose())}
      run={() => deleteKeys(api, prefixRange(prefix))}
    >
      <p class="mono wrap">{shownText(prefix)}</p>
      {count === undefined ? (
        <Loading what="Counting" />
      ) : (
        <p>
          {keysText(count)} will be gone at once, for all clients. Keys that are made meanwhile go
          too.
        </p>
      )}
    </Confirm>
  );
}

function keysText(count: number): string {
  return `${count.toLocaleString("en")} ${count === 1 ? "key" : "keys"}`;
}
