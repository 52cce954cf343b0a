/** The members of the cluster, changes of the membership, alarms, and care of the data. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { nameOf } from "../api/members.ts";
import { useApp, useReadOnly } from "../frame/app.ts";
import { Button } from "../ui/button.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { bytesText, countText } from "../ui/format.ts";
import { Failure, Loading, Notice } from "../ui/notice.tsx";
import { usePolling } from "../ui/polling.ts";
import { type Change, ChangeDialog } from "./change-dialogs.tsx";
import type { MemberNow } from "./checks.ts";
import { type Alarm, type ClusterState, clusterState } from "./cluster-state.ts";
import { Maintenance } from "./maintenance.tsx";

const INTERVAL_MS = 3000;

export function ClusterPage() {
  const { api } = useApp();
  const readOnly = useReadOnly();
  const [turn, setTurn] = useState(0);
  const [change, setChange] = useState<Change>();
  const [last, setLast] = useState<ClusterState>();
  const { value, error } = usePolling(
    async (signal) => {
      const state = await clusterState(api, { signal });
      setLast(state);
      return state;
    },
    INTERVAL_MS,
    [turn],
  );
  // What was there stays while it is asked for again.
  const state = value ?? last;
  if (state === undefined) {
    return error === undefined ? <Loading what="Asking the members" /> : <Failure error={error} />;
  }
  const refresh = (): void => setTurn((before) => before + 1);
  return (
    <div class="stack">
      <h1 class="visually-hidden">Cluster</h1>
      {error !== undefined && <Failure error={error} />}
      {state.leader === "0" && (
        <Notice kind="error" title="No leader">
          The members do not agree on a leader: nothing can be written.
        </Notice>
      )}
      {state.alarms === undefined && (
        <Notice kind="warning">
          Which alarms are raised is not known: it takes a leader to ask.
        </Notice>
      )}
      <Alarms alarms={state.alarms ?? []} state={state} onChanged={refresh} />
      <div class="row">
        <h2>Members</h2>
        {!readOnly && <Button onClick={() => setChange({ kind: "add" })}>Add a member</Button>}
      </div>
      <div class="member-cards">
        {state.members.map((now) => (
          <MemberCard key={now.member.id} now={now} state={state} onChange={setChange} />
        ))}
      </div>
      <h2>Care</h2>
      <Maintenance state={state} onChanged={refresh} />
      {change !== undefined && (
        <ChangeDialog
          state={state}
          change={change}
          onClose={(done) => {
            setChange(undefined);
            if (done) refresh();
          }}
        />
      )}
    </div>
  );
}

function MemberCard(props: {
  readonly now: MemberNow;
  readonly state: ClusterState;
  readonly onChange: (change: Change) => void;
}) {
  const { now, state, onChange } = props;
  const { member, status, progress } = now;
  const readOnly = useReadOnly();
  const isLeader = member.id === state.leader;
  const leader = state.members.find((each) => each.member.id === state.leader);
  const last = leader?.progress?.match ?? leader?.status?.raftIndex;
  return (
    <article class="card stack" aria-label={`Member ${nameOf(member)}`}>
      <div class="row">
        <h3>{nameOf(member)}</h3>
        <RoleBadges now={now} isLeader={isLeader} isSelf={member.id === state.self} />
      </div>
      {status?.errors.map((text) => (
        <Notice key={text} kind="warning">
          {text}
        </Notice>
      ))}
      <dl class="facts">
        <Fact name="ID">
          <span class="mono">{member.id}</span>
        </Fact>
        <Fact name="Version">{status?.version ?? "–"}</Fact>
        <Fact name="Term">{countText(status?.raftTerm)}</Fact>
        <Fact name="Log, applied">
          {countText(status?.raftIndex)}, {countText(status?.appliedIndex)}
        </Fact>
        <Fact name="Database, in use">
          {bytesText(status?.dbBytes)}, {bytesText(status?.dbInUseBytes)}
        </Fact>
        <Fact name="Peers reach it at">
          <span class="mono wrap">{member.peerURLs.join(" ")}</span>
        </Fact>
        <Fact name="Clients reach it at">
          <span class="mono wrap">{member.clientURLs.join(" ") || "–"}</span>
        </Fact>
      </dl>
      {!isLeader && progress !== undefined && last !== undefined && (
        <div class="row">
          <progress max={last} value={progress.match} aria-label="Part of the leader's log" />
          <span class="muted">
            {progress.match >= last
              ? "has the leader's whole log"
              : `lacks ${countText(last - progress.match)} entries`}
            {progress.state === "snapshot" && "; a snapshot is under way"}
          </span>
        </div>
      )}
      {!readOnly && (
        <div class="row">
          {member.isLearner && (
            <Button onClick={() => onChange({ kind: "promote", target: now })}>Promote</Button>
          )}
          {!member.isLearner && !isLeader && (
            <Button onClick={() => onChange({ kind: "transfer", target: now })}>Let it lead</Button>
          )}
          <Button kind="danger" onClick={() => onChange({ kind: "remove", target: now })}>
            Remove
          </Button>
        </div>
      )}
    </article>
  );
}

function RoleBadges(props: {
  readonly now: MemberNow;
  readonly isLeader: boolean;
  readonly isSelf: boolean;
}) {
  const { member, status } = props.now;
  const role = member.isLearner ? "learner" : props.isLeader ? "leader" : "follower";
  const hasStarted = member.name !== "";
  return (
    <>
      <span class={props.isLeader ? "badge badge-good" : "badge"}>{role}</span>
      {props.isSelf && <span class="badge">this page</span>}
      {!hasStarted && <span class="badge badge-warning">not started</span>}
      {hasStarted && status === undefined && <span class="badge badge-danger">no answer</span>}
    </>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const ALARM_WORDS: Readonly<Record<string, string>> = {
  NOSPACE: "The database has reached its quota: keys can be deleted, nothing else can be written.",
  CORRUPT: "Its data differ from the others': nothing can be written or read.",
};

function Alarms(props: {
  readonly alarms: readonly Alarm[];
  readonly state: ClusterState;
  readonly onChanged: () => void;
}) {
  const { api } = useApp();
  const readOnly = useReadOnly();
  const [disarming, setDisarming] = useState<Alarm>();
  const { alarms, state, onChanged } = props;
  const memberName = (id: string): string => {
    const found = state.members.find(({ member }) => member.id === id);
    return found === undefined ? id : nameOf(found.member);
  };
  return (
    <>
      {alarms.map((alarm) => (
        <Notice
          key={alarm.member + alarm.name}
          kind="error"
          title={`Alarm ${alarm.name} of ${memberName(alarm.member)}`}
        >
          <p>{ALARM_WORDS[alarm.name] ?? ""}</p>
          {!readOnly && <Button onClick={() => setDisarming(alarm)}>Disarm</Button>}
        </Notice>
      ))}
      {disarming !== undefined && (
        <Confirm
          title={`Disarm ${disarming.name}?`}
          action="Disarm"
          run={() =>
            api.call("v3/maintenance/alarm", {
              action: "DEACTIVATE",
              memberID: disarming.decimalId,
              alarm: disarming.name,
            })
          }
          onClose={(done) => {
            setDisarming(undefined);
            if (done) onChanged();
          }}
        >
          <p>
            It comes back if its cause is still there: first delete keys, compact and defragment, or
            raise the quota.
          </p>
        </Confirm>
      )}
    </>
  );
}
