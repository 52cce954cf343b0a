/** Two people changed one key: both sides, and what can be done. */
import type { KeyValue } from "../api/kv.ts";
import { DiffView } from "../history/diff-view.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";

export interface ConflictProps {
  readonly mine: Uint8Array;
  /** Undefined: the key was deleted. */
  readonly theirs: KeyValue | undefined;
  readonly onOverwrite: () => void;
  readonly onTakeTheirs: () => void;
  readonly onClose: () => void;
}

export function Conflict({ mine, theirs, onOverwrite, onTakeTheirs, onClose }: ConflictProps) {
  return (
    <Dialog title="Somebody else changed this key" wide onClose={onClose}>
      <div class="stack">
        <p>
          {theirs === undefined
            ? "It was deleted while you were writing. Nothing was saved."
            : `It is at revision ${theirs.modRevision} now. Nothing was saved.`}
        </p>
        {theirs !== undefined && (
          <DiffView before={theirs.value} after={mine} beforeName="theirs" afterName="yours" />
        )}
        <div class="actions">
          <Button onClick={onClose}>Go on editing</Button>
          <Button onClick={onTakeTheirs}>
            {theirs === undefined ? "Leave it deleted" : "Take theirs"}
          </Button>
          <Button kind="danger" onClick={onOverwrite}>
            {theirs === undefined ? "Create it again" : "Overwrite with mine"}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
