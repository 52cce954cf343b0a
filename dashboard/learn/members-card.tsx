/** The members, where their logs stand, and what can be done to them. */
import { useState } from "preact/hooks";
import { Button } from "../ui/button.tsx";
import type { LabCommand, LabProcess } from "./lab-api.ts";

/** Longer than a heartbeat, shorter than an election. */
const SLOW_MS = 300;

interface MembersCardProps {
  readonly processes: readonly LabProcess[];
  readonly tell: (command: LabCommand) => void;
}

export function MembersCard({ processes, tell }: MembersCardProps) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const choose = (name: string, isChosen: boolean): void => {
    const next = new Set(chosen);
    if (isChosen) next.add(name);
    else next.delete(name);
    setChosen(next);
  };
  const partition = (): void => tell({ command: "partition", processes: [...chosen] });
  const isApart = processes.some(({ cutOff, delayMs }) => cutOff.length > 0 || delayMs > 0);
  return (
    <section class="card stack" aria-label="Members">
      <div class="row">
        <h2>Members</h2>
        <Button disabled={chosen.size === 0} onClick={partition}>
          Cut the chosen off
        </Button>
        <Button disabled={!isApart} onClick={() => tell({ command: "heal", processes: [] })}>
          Heal
        </Button>
      </div>
      <div class="table-box">
        <table class="table">
          <thead>
            <tr>
              <th>Member</th>
              <th>State</th>
              <th class="number">Term</th>
              <th class="number">Log</th>
              <th class="number">Commit</th>
              <th class="number">Applied</th>
              <th>Do</th>
            </tr>
          </thead>
          <tbody>
            {processes.map((process) => (
              <MemberRow
                key={process.name}
                process={process}
                isChosen={chosen.has(process.name)}
                choose={choose}
                tell={tell}
              />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

interface MemberRowProps extends Pick<MembersCardProps, "tell"> {
  readonly process: LabProcess;
  readonly isChosen: boolean;
  readonly choose: (name: string, isChosen: boolean) => void;
}

function MemberRow({ process, isChosen, choose, tell }: MemberRowProps) {
  const { name, state, view, cutOff, delayMs } = process;
  const isRunning = state.kind === "running";
  return (
    <tr>
      <td>
        <label class="learn-choice">
          <input
            type="checkbox"
            checked={isChosen}
            onChange={(event) => choose(name, event.currentTarget.checked)}
          />
          {name}
        </label>
      </td>
      <td>
        {isRunning ? (view?.role ?? "starting") : (state.status ?? state.kind)}
        {cutOff.length > 0 && <div class="learn-fault">does not reach {cutOff.join(", ")}</div>}
        {delayMs > 0 && <div class="learn-fault">{delayMs} ms late</div>}
      </td>
      <td class="number">{view?.term}</td>
      <td class="number">{view && `${view.first}–${view.last}`}</td>
      <td class="number">{view?.commit}</td>
      <td class="number">{view?.applied}</td>
      <td>
        <MemberButtons process={process} tell={tell} />
      </td>
    </tr>
  );
}

function MemberButtons({ process, tell }: Pick<MemberRowProps, "process" | "tell">) {
  const { name, state, delayMs } = process;
  const button = (label: string, command: LabCommand["command"]) => (
    <Button label={`${label} ${name}`} onClick={() => tell({ command, processes: [name] })}>
      {label}
    </Button>
  );
  const slow = (): void =>
    tell({ command: "slow", processes: [name], delayMs: delayMs > 0 ? 0 : SLOW_MS });
  if (state.kind === "paused") {
    return (
      <div class="row">
        {button("Resume", "resume")}
        {button("Kill", "kill")}
      </div>
    );
  }
  if (state.kind !== "running") return <div class="row">{button("Start", "start")}</div>;
  return (
    <div class="row">
      {button("Pause", "pause")}
      {button("Kill", "kill")}
      <Button label={`Slow ${name}`} pressed={delayMs > 0} onClick={slow}>
        Slow
      </Button>
    </div>
  );
}
