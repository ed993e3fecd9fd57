import { describe, expect, it } from "vitest";
import { startLines } from "./commands";
import { withDefaults } from "./template";

const template = {
  job_configuration: { env: "{{ env }}" },
  variables: {
    type: "object",
    properties: { env: { type: "object" }, command: { type: "string", default: "python" } },
  },
};

describe("defaults of a base job template", () => {
  it("are those that the form gives", () => {
    const made = withDefaults(template, { env: { STAGE: "prod" } });
    expect(made.variables["properties"]).toEqual({
      env: { type: "object", default: { STAGE: "prod" } },
      command: { type: "string" },
    });
    expect(made.job_configuration).toEqual(template.job_configuration);
  });

  it("are not made of what was left empty", () => {
    const made = withDefaults(template, { env: {}, command: "uv run" });
    expect(made.variables["properties"]).toEqual({
      env: { type: "object" },
      command: { type: "string", default: "uv run" },
    });
  });
});

describe("the command that starts a worker", () => {
  const about = { pool: "edge hosts", type: "process", api: "http://here:4200/api", locked: false };

  it("quotes what a shell would take apart", () => {
    expect(startLines("shell", about).at(-1)).toBe("heliostat worker start --pool 'edge hosts'");
  });

  it("asks for a password only where one is wanted", () => {
    expect(startLines("shell", about).some((line) => line.includes("AUTH"))).toBe(false);
    const locked = startLines("shell", { ...about, locked: true });
    expect(locked).toContain("export HELIOSTAT_API_AUTH_STRING=USER:PASSWORD");
  });

  it("names the type where a worker cannot guess it", () => {
    const lines = startLines("stock", { ...about, pool: "k8s", type: "kubernetes" });
    expect(lines.at(-1)).toBe("prefect worker start --pool k8s --type kubernetes");
  });
});
