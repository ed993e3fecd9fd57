import { useMemo, useState } from "react";
import type { Deployment, Values } from "@/data/deployments";
import { Button } from "@/parts/Button";
import { changed, defaultsOf } from "@/parts/form/compare";
import { SchemaForm } from "@/parts/form/SchemaForm";
import { useSchemaCheck } from "@/parts/form/useSchemaCheck";
import { Dialog } from "@/parts/overlays";

/** The values that runs of one schedule have instead of the deployment's. */
export function ScheduleParameters({
  deployment,
  value,
  onChange,
}: {
  deployment: Deployment;
  value: Values;
  onChange: (value: Values) => void;
}) {
  const [open, setOpen] = useState(false);
  return (
    <div>
      <Button small onClick={() => setOpen(true)}>
        Change the values…
      </Button>
      {open && <Opened {...{ deployment, value, onChange }} onClose={() => setOpen(false)} />}
    </div>
  );
}

function Opened({
  deployment,
  value,
  onChange,
  onClose,
}: {
  deployment: Deployment;
  value: Values;
  onChange: (value: Values) => void;
  onClose: () => void;
}) {
  const schema = useMemo(() => deployment.parameter_openapi_schema ?? {}, [deployment]);
  const base = useMemo(
    () => ({ ...defaultsOf(deployment.parameter_openapi_schema), ...deployment.parameters }),
    [deployment],
  );
  const [draft, setDraft] = useState<Values>(() => ({ ...base, ...value }));
  // A run may get what is missing here from elsewhere.
  const loose = useMemo(() => ({ ...schema, required: [] }), [schema]);
  const check = useSchemaCheck(loose, draft);
  return (
    <Dialog open title="Parameters of this schedule" size={760} onClose={onClose}>
      <div className="dlg-form">
        <SchemaForm
          id="schedule-parameters"
          schema={schema}
          value={draft}
          base={base}
          problems={check.problems}
          onChange={setDraft}
        />
      </div>
      <div className="row dlg-acts">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          disabled={!check.isFresh || check.problems.length > 0}
          onClick={() => {
            onChange(changed(base, draft));
            onClose();
          }}
        >
          Take these
        </Button>
      </div>
    </Dialog>
  );
}
