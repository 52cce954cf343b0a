/** Care of the members: compaction, defragmentation, comparison of hashes, a snapshot. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type ApiError, asApiError, messageOf } from "../api/api-error.ts";
import { nameOf, pathAt } from "../api/members.ts";
import { useApp, useReadOnly } from "../frame/app.ts";
import { Button } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { Field } from "../ui/field.tsx";
import { bytesText, countText } from "../ui/format.ts";
import { Failure, Notice } from "../ui/notice.tsx";
import type { ClusterState } from "./cluster-state.ts";
import { hashVerdict, type MemberHash } from "./hashes.ts";
import { snapshotFile } from "./snapshot-file.ts";
import { UpkeepProgress } from "./upkeep-progress.tsx";

interface MaintenanceProps {
  readonly state: ClusterState;
  readonly onChanged: () => void;
}

export function Maintenance(props: MaintenanceProps) {
  const readOnly = useReadOnly();
  return (
    <div class="columns">
      {!readOnly && <Compaction {...props} />}
      {!readOnly && <Defragmentation {...props} />}
      <HashCheck {...props} />
      <SnapshotDownload />
    </div>
  );
}

function Compaction({ state, onChanged }: MaintenanceProps) {
  const { api } = useApp();
  const [draft, setDraft] = useState("");
  const [asked, setAsked] = useState<string>();
  const [done, setDone] = useState<string>();
  const revision = draft === "" ? String(state.revision) : draft;
  return (
    <section class="card stack">
      <h3>Compaction</h3>
      <p>Forgets the history of all keys before a revision. The present values stay.</p>
      <form
        class="row form-row"
        onSubmit={(event) => {
          event.preventDefault();
          setAsked(revision);
        }}
      >
        <Field
          label="Revision"
          value={draft}
          onInput={setDraft}
          placeholder={String(state.revision)}
        />
        <Button type="submit" disabled={!/^[1-9]\d*$/.test(revision)}>
          Compact
        </Button>
      </form>
      {done !== undefined && <Notice kind="success">Compacted up to revision {done}.</Notice>}
      {asked !== undefined && (
        <Confirm
          title={`Forget what was before revision ${asked}?`}
          action="Compact"
          run={() => api.call("v3/kv/compaction", { revision: asked, physical: true })}
          onClose={(ok) => {
            setAsked(undefined);
            if (!ok) return;
            setDone(asked);
            onChanged();
          }}
        >
          <p>Versions of keys and the deleted keys before it cannot be read any more.</p>
          <p>Watches that are further behind end. The file shrinks by a defragmentation only.</p>
          <UpkeepProgress self={state.self} member={state.self} work="compaction" />
        </Confirm>
      )}
    </section>
  );
}

const RUNNING = "running…";

interface DefragmentRow {
  readonly id: string;
  readonly name: string;
  readonly text: string;
}

function Defragmentation({ state, onChanged }: MaintenanceProps) {
  const { api } = useApp();
  const [rows, setRows] = useState<readonly DefragmentRow[]>([]);
  const [isRunning, setRunning] = useState(false);
  const isWanted = useRef(false);
  useEffect(
    () => () => {
      isWanted.current = false;
    },
    [],
  );
  const say = (id: string, name: string, text: string): void =>
    setRows((before) => [...before.filter((row) => row.id !== id), { id, name, text }]);
  const run = async (): Promise<void> => {
    setRows([]);
    setRunning(true);
    isWanted.current = true;
    // The leader last: the others serve meanwhile.
    const members = [...state.members].sort(
      (a, b) => Number(a.member.id === state.leader) - Number(b.member.id === state.leader),
    );
    for (const { member, status } of members) {
      if (!isWanted.current) break;
      const name = nameOf(member);
      say(member.id, name, RUNNING);
      try {
        const before = status?.dbBytes;
        await api.call(pathAt(state.self, member.id, "v3/maintenance/defragment"));
        const free = (before ?? 0) - (status?.dbInUseBytes ?? 0);
        say(member.id, name, `done; it had ${bytesText(Math.max(0, free))} to give back`);
      } catch (error) {
        say(member.id, name, `failed: ${messageOf(error)}`);
      }
    }
    setRunning(false);
    onChanged();
  };
  return (
    <section class="card stack">
      <h3>Defragmentation</h3>
      <p>
        Gives free space of the database files back, one member after the other, the leader last.
      </p>
      <div class="row">
        <Button disabled={isRunning} onClick={() => void run()}>
          Defragment all members
        </Button>
        {isRunning && (
          <Button
            onClick={() => {
              isWanted.current = false;
            }}
          >
            Stop after this one
          </Button>
        )}
      </div>
      {rows.length > 0 && (
        <ul class="plain" aria-live="polite">
          {rows.map(({ id, name, text }) => (
            <li key={id}>
              <strong>{name}</strong>: {text}
              {text === RUNNING && (
                <UpkeepProgress self={state.self} member={id} work="defragmentation" />
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

type Checked =
  | { readonly kind: "idle" | "running" }
  | { readonly kind: "done"; readonly hashes: readonly MemberHash[]; readonly revision: number };

function HashCheck({ state }: MaintenanceProps) {
  const { api } = useApp();
  const [checked, setChecked] = useState<Checked>({ kind: "idle" });
  const run = async (): Promise<void> => {
    setChecked({ kind: "running" });
    const { revision } = state;
    const hashes = await Promise.all(
      state.members.map(async ({ member }): Promise<MemberHash> => {
        const name = nameOf(member);
        try {
          const path = pathAt(state.self, member.id, "v3/maintenance/hashkv");
          const answer = await api.call<{
            readonly hash?: number;
            readonly compact_revision?: string;
          }>(path, { revision: String(revision) });
          const compactRevision = Number(answer.compact_revision ?? 0);
          return { kind: "told", name, hash: answer.hash ?? 0, compactRevision };
        } catch (error) {
          return { kind: "failed", name, reason: messageOf(error) };
        }
      }),
    );
    setChecked({ kind: "done", hashes, revision });
  };
  return (
    <section class="card stack">
      <h3>Comparison of the members' data</h3>
      <p>Each member hashes its keys up to revision {countText(state.revision)}.</p>
      <div>
        <Button disabled={checked.kind === "running"} onClick={() => void run()}>
          Compare hashes
        </Button>
      </div>
      {checked.kind === "done" && (
        <>
          <Notice {...hashVerdict(checked.hashes, checked.revision)} />
          <ul class="plain">
            {checked.hashes.map((each) => (
              <li key={each.name}>
                <strong>{each.name}</strong>:{" "}
                {each.kind === "told" ? <code>{each.hash.toString(16)}</code> : each.reason}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

type Download =
  | { readonly kind: "idle" }
  | { readonly kind: "running"; readonly done: number; readonly total: number }
  | { readonly kind: "done"; readonly bytes: number }
  | { readonly kind: "failed"; readonly error: ApiError };

function SnapshotDownload() {
  const { api } = useApp();
  const [download, setDownload] = useState<Download>({ kind: "idle" });
  const controller = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => controller.current?.abort(), []);
  const run = async (): Promise<void> => {
    const own = new AbortController();
    controller.current = own;
    try {
      const file = await snapshotFile(api, own.signal, (done, total) =>
        setDownload({ kind: "running", done, total }),
      );
      save(file);
      setDownload({ kind: "done", bytes: file.size });
    } catch (error) {
      setDownload(
        own.signal.aborted ? { kind: "idle" } : { kind: "failed", error: asApiError(error) },
      );
    }
  };
  return (
    <section class="card stack">
      <h3>Snapshot</h3>
      <p>
        The database of this member as one file, for <code>etcdutl snapshot restore</code>. It holds
        every key, every user and every password's hash.
      </p>
      <div class="row">
        <Button disabled={download.kind === "running"} onClick={() => void run()}>
          Download snapshot
        </Button>
        {download.kind === "running" && (
          <>
            <progress
              max={download.total}
              value={download.done}
              aria-label="Snapshot, part that is here"
            />
            {bytesText(download.done)} of {bytesText(download.total)}
            <Button onClick={() => controller.current?.abort()}>Cancel</Button>
          </>
        )}
      </div>
      {download.kind === "done" && (
        <Notice kind="success">
          {bytesText(download.bytes)}, complete. <code>etcdutl snapshot status</code> checks it.
        </Notice>
      )}
      {download.kind === "failed" && <Failure error={download.error} />}
    </section>
  );
}

/** As the browser saves files. */
function save(file: Blob): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = `etcd-${new Date().toISOString().replace(/[:.]/g, "-")}.db`;
  link.click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
