/** The pages, in the order of the navigation. A page is added by a row here. */
import type { ComponentType } from "preact";
import { AccessPage } from "../access/access-page.tsx";
import { ClusterPage } from "../cluster/cluster-page.tsx";
import { KeysPage } from "../keys/keys-page.tsx";
import { LivePage } from "../live/live-page.tsx";
import { SpacePage } from "../space/space-page.tsx";
import { LearnPage } from "../learn/learn-page.tsx";
import type { SiteConfig } from "./app.ts";
import type { Route } from "./router.ts";

export interface PageProps {
  readonly route: Route;
}

export interface Page {
  /** In the address: `#/id`. */
  readonly id: string;
  readonly title: string;
  readonly component: ComponentType<PageProps>;
  /** Whether it is there at all; missing: always. */
  readonly available?: (config: SiteConfig) => boolean;
}

export const PAGES: readonly Page[] = [
  { id: "keys", title: "Keys", component: KeysPage },
  { id: "live", title: "Live", component: LivePage },
  { id: "cluster", title: "Cluster", component: ClusterPage },
  { id: "space", title: "Space", component: SpacePage },
  { id: "access", title: "Access", component: AccessPage },
  // Only the launcher of a local cluster says so.
  {
    id: "learn",
    title: "Learn",
    component: LearnPage,
    available: ({ lab }) => lab === true,
  },
];
