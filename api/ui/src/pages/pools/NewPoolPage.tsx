import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { ArrowRight, Boxes, Cpu, Terminal } from "lucide-react";
import { useState } from "react";
import { createPool, poolQuery, type PoolType, poolTypesQuery } from "@/data/pools";
import { useUrlStates } from "@/data/urlState";
import { Button, ButtonLink } from "@/parts/Button";
import { defaultsOf } from "@/parts/form/compare";
import { CopyAs } from "@/parts/overlays";
import { Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { quoted } from "./commands";
import { PoolForm, type PoolFields } from "./PoolForm";
import { readWhole, useProblems } from "./reading";
import { StartCommand } from "./StartCommand";
import { variablesOf, withDefaults } from "./template";
import "./pools.css";

const STEPS = ["type", "form", "command"] as const;
const WORDS = { type: "1  Type", form: "2  Settings", command: "3  Start" };
const CRUMBS = [{ text: "Work pools", to: "/work-pools" }];
const ICONS: Record<string, typeof Cpu> = { ray: Cpu, process: Terminal };

/** Type, form, command: each step is an address. */
export default function NewPoolPage() {
  const [search] = useUrlStates();
  const made = typeof search["pool"] === "string" ? search["pool"] : "";
  const type = typeof search["type"] === "string" ? search["type"] : "";
  const step = made ? "command" : type ? "form" : "type";
  const query = useQuery(poolTypesQuery);
  return (
    <>
      <Title crumbs={CRUMBS} title="New work pool" />
      <ol className="steps" aria-label="Steps">
        {STEPS.map((each) => (
          <li key={each} aria-current={each === step ? "step" : undefined}>
            {WORDS[each]}
          </li>
        ))}
      </ol>
      <Loaded query={query} what="The kinds of work pools">
        {(types) => {
          const chosen = types.find((each) => each.type === type);
          if (made) return <Made name={made} />;
          return chosen ? <Fields key={type} type={chosen} /> : <Types types={types} />;
        }}
      </Loaded>
    </>
  );
}

function Types({ types }: { types: readonly PoolType[] }) {
  const sorted = [...types].sort((one, other) => Number(other.type === "ray") - Number(one.type === "ray"));
  return (
    <div className="types">
      {sorted.map((each) => {
        const Icon = ICONS[each.type] ?? Boxes;
        return (
          <Link key={each.type} to="/work-pools/new" search={{ type: each.type } as never}>
            <Icon className="i" />
            <span className="bb">{each.display_name}</span>
            <span className="q sm">{each.type === "ray" ? "no worker needed" : "needs a worker"}</span>
            <span className="m">{each.description}</span>
          </Link>
        );
      })}
    </div>
  );
}

function Fields({ type }: { type: PoolType }) {
  const template = type.default_base_job_configuration;
  const base = defaultsOf(variablesOf(template));
  const [fields, setFields] = useState<PoolFields>({
    name: "",
    description: "",
    limit: "",
    values: base,
    template,
  });
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<unknown>(null);
  const { of, rest } = useProblems(failed, ["name", "description", "concurrency_limit", "base_job_template"]);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const body = {
    name: fields.name,
    type: type.type,
    description: fields.description || null,
    concurrency_limit: readWhole(fields.limit) as number | null,
    base_job_template: withDefaults(fields.template, fields.values),
  };
  const make = async () => {
    setBusy(true);
    setFailed(null);
    try {
      await createPool(body);
      await queries.invalidateQueries({ queryKey: ["work_pools"] });
      await navigate({ to: "/work-pools/new", search: { pool: fields.name } as never });
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <PoolForm fields={fields} onChange={setFields} base={base} of={of} isNew />
      <div className="formpad">
        {rest && (
          <div className="err-line" role="alert">
            {rest}
          </div>
        )}
        <div className="form-acts">
          <Button sun type="submit" disabled={busy || fields.name === ""}>
            Make pool {fields.name} <ArrowRight className="i" />
          </Button>
          <ButtonLink to="/work-pools/new">Another type</ButtonLink>
          <CopyAs
            commands={{
              cli: `heliostat work-pool create ${quoted(fields.name || "NAME")} --type ${type.type}`,
              api: { method: "POST", path: "/work_pools/", body },
            }}
          />
        </div>
      </div>
    </form>
  );
}

function Made({ name }: { name: string }) {
  const query = useQuery(poolQuery(name));
  return (
    <Loaded query={query} what="The new work pool" rows={3}>
      {(pool) => (
        <div className="formpad">
          {pool.type === "ray" ? (
            <p className="m">
              Heliostat starts the runs of {pool.name} itself, on the Ray cluster that the server looks after.
              No worker is needed.
            </p>
          ) : (
            <StartCommand pool={pool.name} type={pool.type} />
          )}
          <div className="form-acts">
            <ButtonLink to={`/work-pools/${encodeURIComponent(pool.name)}`}>Open {pool.name}</ButtonLink>
          </div>
        </div>
      )}
    </Loaded>
  );
}
