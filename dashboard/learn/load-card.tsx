/** A small load, and whether what its clients were told is linearizable. */
import { Button } from "../ui/button.tsx";
import { Notice } from "../ui/notice.tsx";
import type { LabCommand, LabLoad } from "./lab-api.ts";

interface LoadCardProps {
  readonly load: LabLoad | undefined;
  readonly tell: (command: LabCommand) => void;
}

export function LoadCard({ load, tell }: LoadCardProps) {
  const choose = (mode: "on" | "stale" | "off") => () =>
    tell({ command: "load", processes: [], load: mode });
  return (
    <section class="card stack" aria-label="Load">
      <div class="row">
        <h2>Load</h2>
        <Button pressed={load?.reads === "linearizable"} onClick={choose("on")}>
          Linearizable reads
        </Button>
        <Button pressed={load?.reads === "stale"} onClick={choose("stale")}>
          Stale reads
        </Button>
        <Button disabled={load === undefined} onClick={choose("off")}>
          Off
        </Button>
      </div>
      {load === undefined ? (
        <p class="muted">
          Clients at every member read and write a few keys, and what they are told is checked while
          it happens.
        </p>
      ) : (
        <LoadState load={load} />
      )}
    </section>
  );
}

function LoadState({ load }: { readonly load: LabLoad }) {
  const { answered, failed, unknown, verdict, lastError } = load;
  return (
    <>
      <p>
        {answered} calls answered, {failed} failed, {unknown} with an unknown end.
        {lastError !== undefined && <span class="muted"> Last failure: {lastError}</span>}
      </p>
      {verdict.kind === "linearizable" && (
        <Notice kind="success" title="Linearizable so far">
          One order explains every answer, and agrees with real time.
        </Notice>
      )}
      {verdict.kind === "violation" && (
        <Notice kind="error" title="Not linearizable">
          <pre class="mono learn-proof">{verdict.text}</pre>
        </Notice>
      )}
      {verdict.kind === "gaveUp" && <Notice kind="warning" title="Undecided" />}
    </>
  );
}
