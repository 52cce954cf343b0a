/** Chooses the revision at which keys are shown: a slider from the oldest that can be read to now. */
import { useState } from "preact/hooks";
import { range } from "../api/kv.ts";
import { useApp, useLoad } from "../frame/app.ts";
import { Button } from "../ui/button.tsx";
import { Failure, Loading } from "../ui/notice.tsx";
import { oldestRevision } from "./versions.ts";

export interface RevisionBarProps {
  /** A key that the user may read, whether it exists or not. */
  readonly probe: Uint8Array;
  /** 0: the newest. */
  readonly revision: number;
  readonly onChange: (revision: number) => void;
}

export function RevisionBar({ probe, revision, onChange }: RevisionBarProps) {
  const { api } = useApp();
  const [moving, setMoving] = useState<number>();
  const [loaded, reload] = useLoad(
    async (signal) => {
      const { revision: newest } = await range(api, { key: probe }, { signal });
      const ask = (request: Parameters<typeof range>[1]) => range(api, request, { signal });
      return { newest, oldest: await oldestRevision(ask, probe, newest, signal) };
    },
    [probe],
  );
  if (loaded.kind === "failed") return <Failure error={loaded.error} onRetry={reload} />;
  if (loaded.kind === "loading") return <Loading what="Looking for the oldest revision" />;
  const { newest, oldest } = loaded.value;
  const shown = moving ?? (revision === 0 ? newest : revision);
  const go = (to: number): void => {
    setMoving(undefined);
    onChange(to >= newest ? 0 : Math.max(oldest, to));
  };
  return (
    <div class="revisions">
      <Button label="One revision back" disabled={shown <= oldest} onClick={() => go(shown - 1)}>
        ‹
      </Button>
      <input
        type="range"
        class="revisions-slider"
        aria-label="As of revision"
        min={oldest}
        max={newest}
        value={shown}
        onInput={(event) => setMoving(Number(event.currentTarget.value))}
        onChange={(event) => go(Number(event.currentTarget.value))}
      />
      <Button label="One revision on" disabled={shown >= newest} onClick={() => go(shown + 1)}>
        ›
      </Button>
      <span class="number revisions-text">
        {shown} of {oldest}–{newest}
      </span>
      <Button disabled={revision === 0} onClick={() => go(newest)}>
        Now
      </Button>
    </div>
  );
}
