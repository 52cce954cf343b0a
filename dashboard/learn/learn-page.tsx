/** Learn and break: the raft of a local cluster as it happens, and buttons to break it. */
import { useMemo, useRef, useState } from "preact/hooks";
import { eventText, isTold } from "../../src/cli/cluster/lab/timeline-text.ts";
import type { PageProps } from "../frame/pages.ts";
import { Button } from "../ui/button.tsx";
import { Loading, Notice } from "../ui/notice.tsx";
import { type LabCommand, secretOf, tellLauncher } from "./lab-api.ts";
import { Lanes } from "./lanes.tsx";
import { LoadCard } from "./load-card.tsx";
import { MembersCard } from "./members-card.tsx";
import { type MessageKind, storyOf } from "./story.ts";
import { useLab } from "./use-lab.ts";

const SPANS_SECONDS = [2, 6, 20] as const;
const TOLD_EVENTS = 40;

export function LearnPage({ route }: PageProps) {
  const secret = secretOf(route.params.get("secret"));
  const { state, events, problem, nowMs } = useLab(secret);
  const [refusal, setRefusal] = useState<string>();
  const [spanSeconds, setSpan] = useState<number>(6);
  const [hasHeartbeats, setHeartbeats] = useState(false);
  const frozen = useRef<number | undefined>(undefined);
  const [isFrozen, setFrozen] = useState(false);
  const processes = state?.processes ?? [];
  const members = processes.map(({ name }) => name);
  const names = useMemo(
    () => new Map(processes.map(({ name, view }) => [view?.id ?? "", name])),
    [state],
  );
  const known = useRef(new Map<string, string>());
  for (const [id, name] of names) known.current.set(id, name);
  const nameOf = (id: string): string => known.current.get(id) ?? id;
  const story = useMemo(() => storyOf(events, members, nameOf), [events, members.join()]);
  const shown = useMemo(() => kindsShown(hasHeartbeats), [hasHeartbeats]);
  const tell = (command: LabCommand): void => {
    setRefusal(undefined);
    tellLauncher(secret, command).catch((error: Error) => setRefusal(error.message));
  };
  const freeze = (): void => {
    frozen.current = isFrozen ? undefined : nowMs();
    setFrozen(!isFrozen);
  };
  if (state === undefined && problem === undefined) return <Loading what="Asking the launcher" />;
  const summary = processes.map(({ name, state: { kind }, view }) => {
    return `${name}: ${view === undefined || kind !== "running" ? kind : `${view.role}, term ${view.term}`}`;
  });
  const told = events.filter(isTold).slice(-TOLD_EVENTS);
  return (
    <div class="stack learn">
      <h1>Learn and break</h1>
      {problem !== undefined && (
        <Notice kind="error" title="The launcher does not answer">
          {problem}
        </Notice>
      )}
      {refusal !== undefined && <Notice kind="warning" title={refusal} />}
      <section class="card stack" aria-label="Timeline">
        <div class="row">
          <Button onClick={freeze} pressed={isFrozen}>
            {isFrozen ? "Go on" : "Freeze"}
          </Button>
          <div class="row">
            {SPANS_SECONDS.map((span) => (
              <Button key={span} pressed={span === spanSeconds} onClick={() => setSpan(span)}>
                {`${span} s`}
              </Button>
            ))}
          </div>
          <Button pressed={hasHeartbeats} onClick={() => setHeartbeats(!hasHeartbeats)}>
            Heartbeats
          </Button>
        </div>
        <Lanes
          story={story}
          members={members}
          spanMs={spanSeconds * 1000}
          shown={shown}
          nowMs={() => frozen.current ?? nowMs()}
          summary={summary.join("; ")}
        />
        <p class="hint">
          One lane a member, one colour a term. Full: leader; pale: follower; dashed: asks to be
          elected. Thick arrows: votes; thin: entries; broken lines: answers. Red: refused or lost.
          Ticks: commits.
        </p>
      </section>
      <div class="learn-columns">
        <MembersCard processes={processes} tell={tell} />
        <LoadCard load={state?.load} tell={tell} />
      </div>
      <section class="card stack" aria-label="What happened">
        <h2>What happened</h2>
        <ol class="plain mono learn-told">
          {told.reverse().map((event) => (
            <li key={event.number}>
              <span class="muted">{event.process.padEnd(6)}</span> {eventText(event, nameOf)}
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}

function kindsShown(hasHeartbeats: boolean): ReadonlySet<MessageKind> {
  return new Set<MessageKind>(
    hasHeartbeats ? ["vote", "append", "other", "heartbeat"] : ["vote", "append"],
  );
}
