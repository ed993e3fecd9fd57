/** The pages that the navigation leads to, in its four groups, with the keys that go there. */

import {
  Activity,
  Bell,
  Box,
  Braces,
  CalendarClock,
  Cpu,
  FileChartColumn,
  Gauge,
  GitMerge,
  Layers,
  type LucideIcon,
  Radio,
  Rows3,
  ScrollText,
  Send,
  Settings,
  Workflow,
  Zap,
} from "lucide-react";

export type Place = { to: string; text: string; icon: LucideIcon; key?: string; count?: PlaceCount };
export type PlaceCount = "needs" | "runs" | "upcoming" | "flows" | "deployments" | "automations" | "pools";
export type Group = { title: string; places: readonly Place[] };

export const GROUPS: readonly Group[] = [
  {
    title: "",
    places: [
      { to: "/", text: "Overview", icon: Gauge, key: "O", count: "needs" },
      { to: "/runs", text: "Runs", icon: Rows3, key: "R", count: "runs" },
      { to: "/upcoming", text: "Upcoming", icon: CalendarClock, key: "U", count: "upcoming" },
      { to: "/logs", text: "Logs", icon: ScrollText, key: "L" },
    ],
  },
  {
    title: "Define",
    places: [
      { to: "/flows", text: "Flows", icon: Workflow, key: "F", count: "flows" },
      { to: "/deployments", text: "Deployments", icon: Send, key: "D", count: "deployments" },
      { to: "/automations", text: "Automations", icon: Zap, count: "automations" },
      { to: "/notifications", text: "Notifications", icon: Bell },
    ],
  },
  {
    title: "Run on",
    places: [
      { to: "/work-pools", text: "Work pools", icon: Layers, key: "W", count: "pools" },
      { to: "/cluster", text: "Cluster", icon: Cpu, key: "C" },
      { to: "/concurrency", text: "Concurrency", icon: GitMerge },
    ],
  },
  {
    title: "Keep",
    places: [
      { to: "/blocks", text: "Blocks", icon: Box },
      { to: "/variables", text: "Variables", icon: Braces },
      { to: "/artifacts", text: "Artifacts", icon: FileChartColumn },
      { to: "/events", text: "Events", icon: Radio },
    ],
  },
];

export const SETTINGS: Place = { to: "/settings", text: "Settings and health", icon: Settings };
export const HEALTH_ICON = Activity;

export const PLACES: readonly Place[] = [...GROUPS.flatMap((group) => group.places), SETTINGS];

/** What fits into the bar at the bottom of a phone. */
export const PHONE_PLACES: readonly string[] = ["/", "/runs", "/deployments", "/work-pools"];

export function isIn(path: string, place: string): boolean {
  if (place === "/") return path === "/";
  if (place === "/runs" && path.startsWith("/task-runs")) return true;
  return path === place || path.startsWith(`${place}/`);
}
