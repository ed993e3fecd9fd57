/** At the right of the form: what differs, the same as a command, and where one can start from. */

import { queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";
import { Bookmark, Copy, Trash2 } from "lucide-react";
import { useState } from "react";
import { post, put, remove } from "@/data/client";
import type { Deployment, Values } from "@/data/deployments";
import type { FlowRun } from "@/data/runs";
import { act } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { copy } from "@/parts/copying";
import { TextField } from "@/parts/fields";
import { brief, differences, type PlacedProblem } from "@/parts/form/compare";
import { Dialog } from "@/parts/overlays";
import { StateGlyph } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";
import { counted } from "@/words/numbers";
import { type Bases, cliOf, curlCommand, type Draft, pythonOf } from "./draft";

export function Differences({
  draft,
  bases,
  problems,
}: {
  draft: Draft;
  bases: Bases;
  problems: readonly PlacedProblem[];
}) {
  const found = [...differences(bases.parameters, draft.parameters), ...differences(bases.job, draft.job)];
  const bad = new Set(problems.map((each) => each.path[0]));
  return (
    <section>
      <div className="lab2">
        {found.length === 0
          ? "Nothing differs from the deployment"
          : `${counted(found.length, "value")} ${found.length === 1 ? "differs" : "differ"} from the deployment`}
      </div>
      {found.length > 0 && (
        <dl className="kv sm">
          {found.map(({ name, was, is }) => (
            <Pair key={name} name={name} was={was} is={is} isBad={bad.has(name)} />
          ))}
        </dl>
      )}
    </section>
  );
}

function Pair({ name, was, is, isBad }: { name: string; was: unknown; is: unknown; isBad: boolean }) {
  return (
    <>
      <dt className="mono cut" title={name}>
        {name}
      </dt>
      <dd title={`${brief(was, 400)} → ${brief(is, 400)}`}>
        <s className="q">{brief(was, 24)}</s> <b className={isBad ? "b t-failed" : "b"}>{brief(is, 40)}</b>
      </dd>
    </>
  );
}

type Language = "cli" | "curl" | "python" | "json";

export function Commands({ id, fullName, body }: { id: string; fullName: string; body: Values }) {
  const [language, setLanguage] = useState<Language>("cli");
  const texts: Record<Language, string | null> = {
    cli: cliOf(fullName, body),
    curl: curlCommand(id, body),
    python: pythonOf(fullName, body),
    json: JSON.stringify(body, null, 2),
  };
  const text = texts[language];
  return (
    <section>
      <div className="row">
        <Segmented
          small
          label="Language of the command"
          value={language}
          onChange={setLanguage}
          choices={[
            { value: "cli", text: "CLI" },
            { value: "curl", text: "curl" },
            { value: "python", text: "Python" },
            { value: "json", text: "JSON" },
          ]}
        />
        <span className="push">
          <Button small disabled={text === null} onClick={() => void copy(text ?? "", "Command")}>
            <Copy className="i s" /> Copy
          </Button>
        </span>
      </div>
      <pre className="code run-command" tabIndex={0} aria-label="The same as a command">
        {text ?? "Retries of a single run can be set by curl only."}
      </pre>
    </section>
  );
}

type Saved = {
  id: string;
  name: string;
  filters: { object: string; property: string; type: string; operation: string; value: unknown }[];
};

// Payloads are kept with the saved searches: a name of their own keeps them apart from views of lists.
const prefix = (deployment: string) => `payload ${deployment} `;

const savedQuery = (deployment: string) =>
  queryOptions({
    queryKey: ["payloads", deployment],
    queryFn: async ({ signal }) => {
      const all = await post<Saved[]>("/saved_searches/filter", { limit: 200 }, { signal });
      return all.filter((each) => each.name.startsWith(prefix(deployment)));
    },
  });

const pastQuery = (deployment: string) =>
  queryOptions({
    queryKey: ["payloads", "of runs", deployment],
    queryFn: ({ signal }) =>
      post<FlowRun[]>(
        "/flow_runs/filter",
        {
          deployments: { id: { any_: [deployment] } },
          flow_runs: { state: { type: { not_any_: ["SCHEDULED"] } } },
          sort: "EXPECTED_START_TIME_DESC",
          limit: 6,
        },
        { signal },
      ),
  });

function inWords(base: Values, values: Values): string {
  const found = differences(base, values);
  return found.length === 0
    ? "as deployed"
    : found.map(({ name, is }) => `${name}=${brief(is, 24)}`).join(", ");
}

export function StartFrom({
  deployment,
  draft,
  bases,
  onTake,
}: {
  deployment: Deployment;
  draft: Draft;
  bases: Bases;
  onTake: (parameters: Values) => void;
}) {
  const queries = useQueryClient();
  const [naming, setNaming] = useState<string | null>(null);
  const past = useQuery(pastQuery(deployment.id)).data ?? [];
  const saved = useQuery(savedQuery(deployment.id)).data ?? [];
  const refresh = () => queries.invalidateQueries({ queryKey: savedQuery(deployment.id).queryKey });
  const keep = async (name: string) => {
    const value = { parameters: draft.parameters };
    const filter = {
      object: "deployment",
      property: "parameters",
      type: "object",
      operation: "payload",
      value,
    };
    const done = await act("Not saved", () =>
      put("/saved_searches/", { name: prefix(deployment.id) + name, filters: [filter] }),
    );
    if (done) setNaming(null);
    void refresh();
  };
  const drop = async (each: Saved, name: string) => {
    await act("Not removed", () => remove(`/saved_searches/${each.id}`), {
      done: `${name} is no longer saved`,
      undo: () =>
        void put("/saved_searches/", { name: each.name, filters: each.filters }).then(() => refresh()),
    });
    void refresh();
  };
  return (
    <section>
      <div className="lab2">
        <span>Start from</span>
        <button type="button" className="link" onClick={() => setNaming("")}>
          Save as…
        </button>
      </div>
      <div className="froms">
        {past.map((run) => (
          <button
            key={run.id}
            type="button"
            onClick={() => onTake({ ...bases.parameters, ...run.parameters })}
          >
            <StateGlyph type={run.state_type} name={run.state_name} />
            <span className="cut" title={JSON.stringify(run.parameters, null, 1).slice(0, 1000)}>
              <b className="b">{run.name}</b>{" "}
              <span className="q">
                {inWords(bases.parameters, { ...bases.parameters, ...run.parameters })}
              </span>
            </span>
            <span className="q">{run.start_time && <Time at={run.start_time} />}</span>
          </button>
        ))}
        {saved.map((each) => {
          const name = each.name.slice(prefix(deployment.id).length);
          const values = (each.filters[0]?.value as { parameters?: Values } | undefined)?.parameters ?? {};
          return (
            <span key={each.id} className="row gap1">
              <button type="button" onClick={() => onTake({ ...bases.parameters, ...values })}>
                <Bookmark className="i s" />
                <span className="cut">
                  <b className="b">{name}</b>{" "}
                  <span className="q">
                    saved, {inWords(bases.parameters, { ...bases.parameters, ...values })}
                  </span>
                </span>
              </button>
              <Button quiet small icon label={`Forget ${name}`} onClick={() => void drop(each, name)}>
                <Trash2 className="i s" />
              </Button>
            </span>
          );
        })}
        {past.length + saved.length === 0 && (
          <span className="note">Values of earlier runs will stand here.</span>
        )}
      </div>
      <Dialog open={naming !== null} title="Save these values" onClose={() => setNaming(null)}>
        <form
          className="grid1"
          onSubmit={(event) => {
            event.preventDefault();
            if (naming?.trim()) void keep(naming.trim());
          }}
        >
          <TextField
            label="Name"
            value={naming ?? ""}
            data-autofocus
            onChange={(event) => setNaming(event.target.value)}
          />
          <div className="row dlg-acts">
            <Button onClick={() => setNaming(null)}>Cancel</Button>
            <Button type="submit" disabled={!naming?.trim()}>
              Save
            </Button>
          </div>
        </form>
      </Dialog>
    </section>
  );
}
