import { describe, expect, it } from "vitest";
import type { BusyProcess, ClusterNode } from "@/data/cluster";
import { cellsOf } from "./hues";

const node = (cpus: number, cpus_used: number, ...workers: BusyProcess[]) =>
  ({ cpus, cpus_used, gpus: 0, gpus_used: 0, workers }) as unknown as ClusterNode;
const busy = (run_id: string | null, cpus = 1): BusyProcess => ({ pid: 1, cpus, gpus: 0, run_id });
const drawn = (of: ClusterNode) =>
  cellsOf(of, "cpus").map((cell) => (cell.kind === "run" ? cell.id : cell.kind === "other" ? "+" : "."));

describe("cells of a node", () => {
  it("show runs together, then other work, then what is free", () => {
    expect(drawn(node(6, 4, busy("a"), busy("b"), busy("a"), busy(null)))).toEqual([
      "a",
      "a",
      "b",
      "+",
      ".",
      ".",
    ]);
  });

  it("show a run that holds parts of a CPU", () => {
    expect(drawn(node(2, 0.5, busy("a", 0.5)))).toEqual(["a", "."]);
    expect(drawn(node(2, 1, busy("a", 0.5), busy("a", 0.5)))).toEqual(["a", "."]);
  });

  it("are never more than the node has", () => {
    expect(drawn(node(2, 2, busy("a", 2), busy("b", 1)))).toEqual(["a", "a"]);
    expect(drawn(node(0, 0))).toEqual([]);
  });
});
