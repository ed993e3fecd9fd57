/** Which page stands at which address. Each page is loaded when it is first opened. */

import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { BASE_PATH } from "@/data/base";
import { Empty, Failure } from "@/parts/places";
import { App } from "./App";

const root = createRootRoute({ component: App, notFoundComponent: Nowhere });

type Words = Record<string, unknown>;
type Page = () => Promise<{ default: React.ComponentType }>;

const PAGES: readonly (readonly [string, Page])[] = [
  ["/", () => import("@/pages/overview/OverviewPage")],
  ["/runs", () => import("@/pages/runs/RunsPage")],
  ["/logs", () => import("@/pages/logs/LogsPage")],
  ["/settings", () => import("@/pages/settings/SettingsPage")],
  ["/upcoming", () => import("@/pages/upcoming/UpcomingPage")],
  ["/flows", () => import("@/pages/flows/FlowsPage")],
  ["/flows/$id", () => import("@/pages/flows/FlowPage")],
  ["/deployments", () => import("@/pages/deployments/DeploymentsPage")],
  ["/deployments/$id", () => import("@/pages/deployments/DeploymentPage")],
  ["/deployments/$id/edit", () => import("@/pages/deployments/EditPage")],
  ["/deployments/$id/run", () => import("@/pages/deployments/run/CustomRunPage")],
  ["/blocks", () => import("@/pages/blocks/BlocksPage")],
  ["/blocks/new", () => import("@/pages/blocks/NewBlockPage")],
  ["/blocks/$id", () => import("@/pages/blocks/BlockPage")],
  ["/automations", () => import("@/pages/automations/AutomationsPage")],
  ["/automations/new", () => import("@/pages/automations/EditAutomationPage")],
  ["/automations/$id", () => import("@/pages/automations/AutomationPage")],
  ["/automations/$id/edit", () => import("@/pages/automations/EditAutomationPage")],
  ["/notifications", () => import("@/pages/notifications/NotificationsPage")],
  ["/work-pools", () => import("@/pages/pools/PoolsPage")],
  ["/work-pools/new", () => import("@/pages/pools/NewPoolPage")],
  ["/work-pools/$name", () => import("@/pages/pools/PoolPage")],
  ["/work-pools/$name/edit", () => import("@/pages/pools/EditPoolPage")],
  ["/concurrency", () => import("@/pages/concurrency/ConcurrencyPage")],
  ["/cluster", () => import("@/pages/cluster/ClusterPage")],
  ["/variables", () => import("@/pages/variables/VariablesPage")],
  ["/artifacts", () => import("@/pages/artifacts/ArtifactsPage")],
  ["/artifacts/$key", () => import("@/pages/artifacts/ArtifactPage")],
  ["/events", () => import("@/pages/events/EventsPage")],
  ["/runs/$id", () => import("@/pages/run/RunPage")],
  ["/task-runs/$id", () => import("@/pages/taskRun/TaskRunPage")],
];

function Nowhere() {
  return <Empty title="There is no such page" text="The address names nothing that this server shows." />;
}

function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  return <Failure what="This page" error={error} retry={reset} />;
}

const routes = PAGES.map(([path, page]) =>
  createRoute({
    getParentRoute: () => root,
    path,
    component: lazyRouteComponent(page),
    errorComponent: Broken,
    // Pages read the words of the address themselves; all are kept.
    validateSearch: (words: Words): Words => words,
  }),
);

export function makeRouter() {
  return createRouter({
    routeTree: root.addChildren(routes),
    basepath: BASE_PATH,
    defaultPreload: "intent",
    scrollRestoration: true,
    defaultErrorComponent: Broken,
  });
}
