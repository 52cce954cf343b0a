/** Changes of the membership, each with what speaks for and against it. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { nameOf, pathAt } from "../api/members.ts";
import { useApp } from "../frame/app.ts";
import { Confirm } from "../ui/confirm.tsx";
import { Field } from "../ui/field.tsx";
import {
  additionChecks,
  type Check,
  isStopped,
  type MemberNow,
  promotionChecks,
  removalChecks,
  transferChecks,
} from "./checks.ts";
import type { ClusterState } from "./cluster-state.ts";

export type Change =
  | { readonly kind: "add" }
  | { readonly kind: "remove" | "promote" | "transfer"; readonly target: MemberNow };

interface ChangeProps {
  readonly state: ClusterState;
  readonly change: Change;
  readonly onClose: (done: boolean) => void;
}

export function ChangeDialog({ state, change, onClose }: ChangeProps) {
  const { api } = useApp();
  if (change.kind === "add") return <AddDialog state={state} onClose={onClose} />;
  const { kind, target } = change;
  const { member } = target;
  const name = nameOf(member);
  const ID = member.decimalId;
  switch (kind) {
    case "remove":
      return (
        <Checked
          title={`Remove ${name}?`}
          action="Remove"
          kind="danger"
          checks={removalChecks(state.members, target)}
          run={() => api.call("v3/cluster/member/remove", { ID })}
          onClose={onClose}
        />
      );
    case "promote":
      return (
        <Checked
          title={`Let ${name} vote?`}
          action="Promote"
          kind="primary"
          checks={promotionChecks(state.members, target)}
          run={() => api.call("v3/cluster/member/promote", { ID })}
          onClose={onClose}
        />
      );
    case "transfer": {
      const path = pathAt(state.self, state.leader, "v3/maintenance/transfer-leadership");
      return (
        <Checked
          title={`Let ${name} lead?`}
          action="Move leadership"
          kind="primary"
          checks={transferChecks(state.members, target)}
          run={() => api.call(path, { targetID: ID })}
          onClose={onClose}
        />
      );
    }
  }
}

function AddDialog({ state, onClose }: Omit<ChangeProps, "change">) {
  const { api } = useApp();
  const [urls, setUrls] = useState("");
  const [isLearner, setLearner] = useState(true);
  const peerURLs = urls.split(/[\s,]+/).filter((url) => url !== "");
  return (
    <Checked
      title="Add a member"
      action="Add"
      kind="primary"
      checks={additionChecks(state.members, peerURLs, isLearner)}
      run={() => api.call("v3/cluster/member/add", { peerURLs, isLearner })}
      onClose={onClose}
    >
      <Field
        label="Peer URLs"
        value={urls}
        onInput={setUrls}
        placeholder="http://10.0.0.4:2380"
        mono
      />
      <label class="row">
        <input
          type="checkbox"
          checked={isLearner}
          onChange={(event) => setLearner(event.currentTarget.checked)}
        />
        As a learner, without a vote at first
      </label>
      <p class="hint">
        Then start it with <code>etcd join</code>, or with{" "}
        <code>--initial-cluster-state existing</code>.
      </p>
    </Checked>
  );
}

const SIGNS = { fine: "✓", warning: "!", stop: "✕" } as const;
const WORDS = { fine: "fine", warning: "warning", stop: "speaks against it" } as const;

function Checked(props: {
  readonly title: string;
  readonly action: string;
  readonly kind: "danger" | "primary";
  readonly checks: readonly Check[];
  readonly children?: ComponentChildren;
  readonly run: () => Promise<unknown>;
  readonly onClose: (done: boolean) => void;
}) {
  const { checks, children, ...confirm } = props;
  return (
    <Confirm {...confirm} disabled={isStopped(checks)}>
      {children}
      <ul class="plain checks">
        {checks.map(({ verdict, text }) => (
          <li key={text} class={`check check-${verdict}`}>
            <span role="img" aria-label={WORDS[verdict]}>
              {SIGNS[verdict]}
            </span>
            <span>{text}</span>
          </li>
        ))}
      </ul>
    </Confirm>
  );
}
