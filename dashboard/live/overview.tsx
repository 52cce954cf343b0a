/** What the members are doing now: figures of all, plots and requests of one. */
import { useMemo, useRef } from "preact/hooks";
import type { MemberFigures } from "../../src/insight/member-figures.ts";
import { useApp } from "../frame/app.ts";
import { bytesText, countText, rateText, secondsText } from "../ui/format.ts";
import { Failure, Loading, Notice } from "../ui/notice.tsx";
import { usePolling } from "../ui/polling.ts";
import { type Looks, type MemberLook, Observer } from "./member-looks.ts";
import { nameOf } from "../api/members.ts";
import { Plot } from "./plot.tsx";
import { columnsOf, type Point, withPoint } from "./series.ts";

const INTERVAL_MS = 2000;

export function Overview({ chosen }: { readonly chosen: string | undefined }) {
  const { api } = useApp();
  const observer = useMemo(() => new Observer(api), [api]);
  const { value, error } = usePolling((signal) => observer.look({ signal }), INTERVAL_MS, [
    observer,
  ]);
  if (value === undefined) {
    return error === undefined ? (
      <Loading what="Looking at the members" />
    ) : (
      <Failure error={error} />
    );
  }
  const shown = value.looks.find(({ member }) => member.id === (chosen ?? value.self));
  return (
    <div class="stack">
      {error !== undefined && <Failure error={error} />}
      <MemberTable {...value} />
      {shown !== undefined && (
        <MemberDetail key={shown.member.id} look={shown} peers={value.looks} />
      )}
    </div>
  );
}

function MemberTable({ self, looks }: Looks) {
  return (
    <div class="table-box">
      <table class="table">
        <thead>
          <tr>
            <th>Member</th>
            <th>Role</th>
            <th class="number">Term</th>
            <th class="number">Index</th>
            <th class="number">Applied</th>
            <th class="number">Database</th>
            <th class="number">In use</th>
            <th class="number">Requests/s</th>
            <th class="number">fsync p99</th>
            <th class="number">Commit p99</th>
            <th class="number">Watches</th>
            <th class="number">CPU</th>
            <th class="number">Memory</th>
          </tr>
        </thead>
        <tbody>
          {looks.map((look) => (
            <MemberRow key={look.member.id} look={look} isSelf={look.member.id === self} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function MemberRow({ look, isSelf }: { readonly look: MemberLook; readonly isSelf: boolean }) {
  const { member, status, figures, failure } = look;
  const name = (
    <td class="nowrap">
      {nameOf(member)} {isSelf && <span class="badge">this page</span>}
    </td>
  );
  if (status === undefined) {
    return (
      <tr>
        {name}
        <td colSpan={12} class="wrap">
          <span class="badge badge-danger">no answer</span> <span class="muted">{failure}</span>
        </td>
      </tr>
    );
  }
  return (
    <tr>
      {name}
      <td>{roleOf(look)}</td>
      <td class="number">{countText(status.raftTerm)}</td>
      <td class="number">{countText(status.raftIndex)}</td>
      <td class="number">{countText(status.appliedIndex)}</td>
      <td class="number">{bytesText(status.dbBytes)}</td>
      <td class="number">{bytesText(status.dbInUseBytes)}</td>
      <td class="number">{rateText(figures?.requestsPerSecond)}</td>
      <td class="number">{secondsText(figures?.fsync?.p99)}</td>
      <td class="number">{secondsText(figures?.commit?.p99)}</td>
      <td class="number">{countText(figures?.watchers)}</td>
      <td class="number">
        {figures === undefined ? "–" : `${Math.round(figures.processorShare * 100)} %`}
      </td>
      <td class="number">{bytesText(figures?.residentBytes)}</td>
    </tr>
  );
}

function roleOf({ member, status }: MemberLook): string {
  if (member.isLearner) return "learner";
  if (status === undefined || status.leader === "0") return "no leader";
  return status.leader === member.id ? "leader" : "follower";
}

const RATES = ["requests", "events"];
const DISK_TIMES = ["fsync p50", "fsync p99", "commit p99"];
const SIZES = ["file", "in use"];
const ms = (seconds: number): string => secondsText(seconds);

function MemberDetail(props: { readonly look: MemberLook; readonly peers: readonly MemberLook[] }) {
  const { look, peers } = props;
  const { member, figures } = look;
  const points = useRef<readonly Point[]>([]);
  const last = useRef<MemberFigures | undefined>(undefined);
  if (figures !== undefined && figures !== last.current) {
    last.current = figures;
    points.current = withPoint(points.current, { at: Date.now() / 1000, figures });
  }
  const all = points.current;
  const rates = useMemo(
    () => columnsOf(all, [(f) => f.requestsPerSecond, (f) => f.eventsPerSecond]),
    [all],
  );
  const times = useMemo(
    () => columnsOf(all, [(f) => f.fsync?.p50, (f) => f.fsync?.p99, (f) => f.commit?.p99]),
    [all],
  );
  const sizes = useMemo(() => columnsOf(all, [(f) => f.dbBytes, (f) => f.dbInUseBytes]), [all]);
  if (figures === undefined) return <Loading what="Measuring rates" />;
  return (
    <section class="stack" aria-label={`Figures of ${nameOf(member)}`}>
      <h2>{nameOf(member)}</h2>
      <div class="plots">
        <Plot title="Per second" lines={RATES} data={rates} format={rateText} least={1} />
        <Plot title="Disk" lines={DISK_TIMES} data={times} format={ms} least={0.001} />
        <Plot title="Database" lines={SIZES} data={sizes} format={bytesText} least={1000} />
      </div>
      <div class="columns">
        <RpcTable figures={figures} />
        <Facts figures={figures} peers={peers} />
      </div>
    </section>
  );
}

function RpcTable({ figures: { rpcs } }: { readonly figures: MemberFigures }) {
  const hasTimes = rpcs.some(({ timing }) => timing !== undefined);
  return (
    <div class="card stack">
      <h3>gRPC requests</h3>
      {rpcs.length === 0 && <p class="muted">None in the last two seconds.</p>}
      {rpcs.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th>Method</th>
                <th class="number">Per second</th>
                <th class="number">Failed</th>
                <th class="number">p50</th>
                <th class="number">p99</th>
              </tr>
            </thead>
            <tbody>
              {rpcs.map(({ method, perSecond, failuresPerSecond, timing }) => (
                <tr key={method}>
                  <td>{method}</td>
                  <td class="number">{rateText(perSecond)}</td>
                  <td class="number">{rateText(failuresPerSecond)}</td>
                  <td class="number">{secondsText(timing?.p50)}</td>
                  <td class="number">{secondsText(timing?.p99)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {rpcs.length > 0 && !hasTimes && (
        <Notice>
          Times of single requests are measured by members with <code>--metrics=extensive</code>.
        </Notice>
      )}
    </div>
  );
}

function Facts(props: { readonly figures: MemberFigures; readonly peers: readonly MemberLook[] }) {
  const { figures, peers } = props;
  const peerName = (id: string): string => {
    const found = peers.find(({ member }) => member.id === id);
    return found === undefined ? id : nameOf(found.member);
  };
  const free =
    figures.dbBytes === undefined || figures.dbInUseBytes === undefined
      ? undefined
      : figures.dbBytes - figures.dbInUseBytes;
  const facts: readonly (readonly [string, string])[] = [
    ["Keys", countText(figures.keys)],
    ["Revision", countText(figures.currentRevision)],
    [
      "Compacted up to",
      (figures.compactRevision ?? 0) > 0 ? countText(figures.compactRevision) : "–",
    ],
    ["Free in the database file", bytesText(free)],
    ["Quota", bytesText(figures.quotaBytes)],
    ["Watches that lag", countText(figures.slowWatchers)],
    ["Proposals waiting", countText(figures.pendingProposals)],
    ["Changes of leader seen", countText(figures.leaderChanges)],
    ...figures.peers.map(
      ({ id, roundTrip }) =>
        [
          `Round trip to ${peerName(id)}`,
          `${secondsText(roundTrip.p50)}, p99 ${secondsText(roundTrip.p99)}`,
        ] as const,
    ),
  ];
  return (
    <dl class="card facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="number">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
