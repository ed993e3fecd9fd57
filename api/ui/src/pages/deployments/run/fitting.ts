/** Whether what a run's own process asks for is there on one node of the Ray cluster. */

import type { ClusterNode } from "@/data/cluster";
import type { Values } from "@/data/deployments";
import { bytes, counted } from "@/words/numbers";

export type Fit = { tone: "good" | "wait" | "bad"; text: string };

const number = (value: unknown) => (typeof value === "number" ? value : 0);

export function fitOf(job: Values, nodes: readonly ClusterNode[]): Fit | null {
  if (nodes.length === 0) return null;
  const [cpus, gpus, memory] = [
    number(job["num_cpus"]),
    number(job["num_gpus"]),
    number(job["memory_bytes"]),
  ];
  const wanted = [
    cpus > 0 && counted(cpus, "CPU"),
    gpus > 0 && counted(gpus, "GPU"),
    memory > 0 && bytes(memory),
  ].filter(Boolean);
  const free = nodes.reduce((sum, node) => sum + Math.max(0, node.cpus - node.cpus_used), 0);
  const place = `${Math.floor(free)} of ${counted(
    nodes.reduce((sum, node) => sum + node.cpus, 0),
    "CPU",
  )} free on ${counted(nodes.length, "node")}`;
  if (wanted.length === 0) return { tone: "good", text: `Its process sets nothing aside; ${place}` };
  const asks = `its process asks for ${wanted.join(" and ")} on one node`;
  const hasAll = (node: ClusterNode) => node.cpus >= cpus && node.gpus >= gpus && node.memory >= memory;
  const hasFree = (node: ClusterNode) =>
    hasAll(node) && node.cpus - node.cpus_used >= cpus && node.gpus - node.gpus_used >= gpus;
  if (!nodes.some(hasAll)) return { tone: "bad", text: `Can't start now: ${asks}, and none is that large` };
  if (!nodes.some(hasFree)) return { tone: "wait", text: `Waits for resources: ${asks}, and none is free` };
  return { tone: "good", text: `Fits: ${asks}; ${place}` };
}
