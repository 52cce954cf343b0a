/** How far a member's compaction or defragmentation has come; nothing while there is none. */
import { pathAt } from "../api/members.ts";
import { useApp } from "../frame/app.ts";
import { bytesText, countText } from "../ui/format.ts";
import { usePolling } from "../ui/polling.ts";

const ASK_INTERVAL_MS = 300;

interface Upkeep {
  readonly defragmentation?: { readonly copiedBytes: number; readonly totalBytes: number };
  readonly compaction?: { readonly atRevision: number; readonly revision: number };
}

interface UpkeepProgressProps {
  /** The member that served this page. */
  readonly self: string;
  readonly member: string;
  readonly work: "defragmentation" | "compaction";
}

export function UpkeepProgress({ self, member, work }: UpkeepProgressProps) {
  const { api } = useApp();
  // Members that cannot say, Go's among them, show nothing.
  const { value } = usePolling(
    (signal) => api.get<Upkeep>(pathAt(self, member, "dashboard/api/upkeep"), { signal }),
    ASK_INTERVAL_MS,
    [self, member],
  );
  const { defragmentation, compaction } = value ?? {};
  if (work === "defragmentation" && defragmentation !== undefined) {
    const { copiedBytes, totalBytes } = defragmentation;
    return <Bar done={copiedBytes} of={totalBytes} text={`of ${bytesText(totalBytes)} copied`} />;
  }
  if (work === "compaction" && compaction !== undefined) {
    const { atRevision, revision } = compaction;
    return <Bar done={atRevision} of={revision} text={`of ${countText(revision)} revisions`} />;
  }
  return null;
}

function Bar({ done, of, text }: { done: number; of: number; text: string }) {
  const share = of > 0 ? Math.min(1, done / of) : 0;
  return (
    <span class="row">
      <progress value={share} aria-hidden="true" />
      {Math.floor(share * 100)} % {text}
    </span>
  );
}
