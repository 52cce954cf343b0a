/** What happens now: figures of the members, changes of keys, leases, and who watches. */
import { memberList, nameOf } from "../api/members.ts";
import { useApp, useLoad } from "../frame/app.ts";
import type { PageProps } from "../frame/pages.ts";
import { routeHref } from "../frame/router.ts";
import { Failure, Loading } from "../ui/notice.tsx";
import { Select } from "../ui/select.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { LeasesView } from "./leases-view.tsx";
import { Overview } from "./overview.tsx";
import { WatchView } from "./watch-view.tsx";
import { WatchersView } from "./watchers-view.tsx";

const VIEWS = [
  { id: "members", title: "Members" },
  { id: "watch", title: "Watch" },
  { id: "leases", title: "Leases" },
  { id: "watchers", title: "Watchers" },
];

export function LivePage({ route }: PageProps) {
  const { api } = useApp();
  const view = route.params.get("view") ?? "members";
  const [loaded, reload] = useLoad((signal) => memberList(api, { signal }), [view]);
  const chosen = route.params.get("member");
  return (
    <div class="stack">
      <h1 class="visually-hidden">Live</h1>
      <Tabs label="Views" page="live" current={view} views={VIEWS} />
      {(view === "members" || view === "watchers") && loaded.kind === "ready" && (
        <div class="member-choice">
          <Select
            label="Member"
            value={chosen ?? loaded.value.self}
            options={loaded.value.members.map((member) => ({
              value: member.id,
              text: nameOf(member),
            }))}
            onChange={(member) => {
              location.hash = routeHref("live", { view, member });
            }}
          />
        </div>
      )}
      {view === "members" && <Overview chosen={chosen} />}
      {view === "watch" && (
        <WatchView
          prefix={route.params.has("on") ? (route.params.get("prefix") ?? "") : undefined}
        />
      )}
      {view === "leases" && <LeasesView />}
      {view === "watchers" && loaded.kind === "loading" && <Loading />}
      {view === "watchers" && loaded.kind === "failed" && (
        <Failure error={loaded.error} onRetry={reload} />
      )}
      {view === "watchers" && loaded.kind === "ready" && (
        <Watchers chosen={chosen} list={loaded.value} />
      )}
    </div>
  );
}

function Watchers(props: {
  readonly chosen: string | undefined;
  readonly list: Awaited<ReturnType<typeof memberList>>;
}) {
  const { self, members } = props.list;
  const member = members.find(({ id }) => id === (props.chosen ?? self));
  return member === undefined ? null : <WatchersView key={member.id} self={self} member={member} />;
}
