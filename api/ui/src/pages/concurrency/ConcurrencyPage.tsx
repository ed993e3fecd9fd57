import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useState } from "react";
import { changeLimit, deleteLimit, type Limit, type Limits, limitsQuery, TAG } from "@/data/limits";
import { useUrlState } from "@/data/urlState";
import { Button } from "@/parts/Button";
import { SearchField } from "@/parts/fields";
import { ConfirmDestroy, CopyAs } from "@/parts/overlays";
import { SectionHead, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { counted } from "@/words/numbers";
import { DeploymentLimits } from "./DeploymentLimits";
import { LimitDialog } from "./LimitDialog";
import { LimitRow } from "./LimitRow";
import "./concurrency.css";

export default function ConcurrencyPage() {
  const query = useQuery(limitsQuery);
  const [text, setText] = useUrlState("q");
  const [editing, setEditing] = useState<Limit | "new" | null>(null);
  return (
    <>
      <Title title="Concurrency" sub="how many may run at once, who holds the slots, and who waits">
        <CopyAs
          commands={{ api: { method: "POST", path: "/v2/concurrency_limits/filter", body: {} } }}
          json={query.data}
        />
        <Button sun onClick={() => setEditing("new")}>
          <Plus className="i" /> New limit
        </Button>
      </Title>
      <div className="gbar bt bb1">
        <SearchField label="Part of a name" value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      <Loaded query={query} what="The concurrency limits">
        {(limits) => <Shown limits={limits} text={text} edit={setEditing} />}
      </Loaded>
      {editing && <LimitDialog limit={editing} onClose={() => setEditing(null)} />}
    </>
  );
}

type ShownProps = { limits: Limits; text: string; edit: (limit: Limit | "new") => void };

function Shown({ limits, text, edit }: ShownProps) {
  const [doomed, setDoomed] = useState<Limit | null>(null);
  const [freed, setFreed] = useState<Limit | null>(null);
  const queries = useQueryClient();
  const again = () => queries.invalidateQueries({ queryKey: limitsQuery.queryKey });
  const fits = (name: string) => name.toLowerCase().includes(text.toLowerCase());
  const found = limits.limits.filter((each) => fits(each.name));
  const tags = found.filter((each) => each.name.startsWith(TAG));
  const named = found.filter((each) => !each.name.startsWith(TAG));
  const deployments = limits.deployments.filter((each) => fits(`${each.flow_name} / ${each.name}`));
  if (found.length === 0 && deployments.length === 0)
    return (
      <Empty
        title={text ? "No limit has this in its name" : "No limits yet"}
        text="A limit holds code of many runs to so many at once: named in code, by the tag of tasks, or of a deployment."
      >
        <Button onClick={() => edit("new")}>
          <Plus className="i" /> New limit
        </Button>
      </Empty>
    );
  const row = (limit: Limit) => (
    <LimitRow
      key={limit.id}
      limit={limit}
      edit={() => edit(limit)}
      drop={() => setDoomed(limit)}
      reset={() => setFreed(limit)}
    />
  );
  return (
    <>
      {named.length > 0 && (
        <section aria-label="Limits by name">
          <SectionHead title="By name" count={named.length} />
          {named.map(row)}
        </section>
      )}
      {tags.length > 0 && (
        <section aria-label="Limits on tags" className="bt">
          <SectionHead title="By tag" count={tags.length}>
            of tasks that have the tag
          </SectionHead>
          {tags.map(row)}
        </section>
      )}
      {deployments.length > 0 && <DeploymentLimits limits={deployments} />}
      <ConfirmDestroy
        open={doomed !== null}
        title={`Delete limit ${doomed?.name ?? ""}?`}
        losses={[
          `${counted(doomed?.holders.length ?? 0, "holder")} ${doomed?.holders.length === 1 ? "goes" : "go"} on without a slot.`,
          `${counted(doomed?.waiting.length ?? 0, "waiting call")} ${doomed?.waiting.length === 1 ? "begins" : "begin"} at once.`,
          "Code that names it runs without a limit from now on.",
        ]}
        verb="Delete limit"
        onClose={() => setDoomed(null)}
        act={async () => {
          if (doomed) await deleteLimit(doomed);
          await again();
        }}
      />
      <ConfirmDestroy
        open={freed !== null}
        title={`Free all slots of ${freed?.name ?? ""}?`}
        losses={[
          `${counted(freed?.holders.length ?? 0, "holder")} ${freed?.holders.length === 1 ? "goes" : "go"} on without a slot, so more than ${freed?.limit ?? 0} may be at work for a while.`,
          "Who waits gets the slots at once. The limit itself stays.",
        ]}
        verb="Free all slots"
        onClose={() => setFreed(null)}
        act={async () => {
          if (freed) await changeLimit(freed, { active_slots: 0 });
          await again();
        }}
      />
    </>
  );
}
