import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { changePool, type Pool, poolQuery, type Template } from "@/data/pools";
import { Button, ButtonLink } from "@/parts/Button";
import { defaultsOf } from "@/parts/form/compare";
import { Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { toast } from "@/parts/toasts";
import { PoolForm, type PoolFields } from "./PoolForm";
import { readWhole, useProblems } from "./reading";
import { variablesOf, withDefaults } from "./template";
import "./pools.css";

export default function EditPoolPage() {
  const { name = "" } = useParams({ strict: false });
  const query = useQuery({ ...poolQuery(name), refetchInterval: false });
  const to = `/work-pools/${encodeURIComponent(name)}`;
  return (
    <>
      <Title
        crumbs={[
          { text: "Work pools", to: "/work-pools" },
          { text: name, to },
        ]}
        title={`Edit ${name}`}
        sub="runs that are under way keep what they began with"
      />
      <Loaded query={query} what={`Work pool ${name}`}>
        {(pool) => <Fields key={pool.id} pool={pool} to={to} />}
      </Loaded>
    </>
  );
}

const whole = (template: Partial<Template>): Template => ({
  ...template,
  job_configuration: template.job_configuration ?? {},
  variables: template.variables ?? { type: "object", properties: {} },
});

function Fields({ pool, to }: { pool: Pool; to: string }) {
  const [base] = useState(() => defaultsOf(variablesOf(pool.base_job_template)));
  const [fields, setFields] = useState<PoolFields>({
    name: pool.name,
    description: pool.description ?? "",
    limit: pool.concurrency_limit?.toString() ?? "",
    values: base,
    template: whole(pool.base_job_template),
  });
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<unknown>(null);
  const { of, rest } = useProblems(failed, ["description", "concurrency_limit", "base_job_template"]);
  const navigate = useNavigate();
  const queries = useQueryClient();
  const save = async () => {
    setBusy(true);
    setFailed(null);
    try {
      await changePool(pool.name, {
        description: fields.description || null,
        concurrency_limit: readWhole(fields.limit),
        base_job_template: withDefaults(fields.template, fields.values),
      });
      await queries.invalidateQueries({ queryKey: ["work_pool", pool.name] });
      toast({ text: `${pool.name} is saved`, brief: true });
      await navigate({ to });
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
        void save();
      }}
    >
      <PoolForm fields={fields} onChange={setFields} base={base} of={of} isNew={false} />
      <div className="formpad">
        {rest && (
          <div className="err-line" role="alert">
            {rest}
          </div>
        )}
        <div className="form-acts">
          <Button sun type="submit" disabled={busy}>
            Save {pool.name}
          </Button>
          <ButtonLink to={to}>Leave it as it was</ButtonLink>
        </div>
      </div>
    </form>
  );
}
