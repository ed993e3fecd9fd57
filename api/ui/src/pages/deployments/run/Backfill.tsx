import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { post } from "@/data/client";
import type { Deployment, Values } from "@/data/deployments";
import { useClock } from "@/data/preferences";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { SelectField, TextField } from "@/parts/fields";
import { isRecord, shapeOf } from "@/parts/form/shape";
import { Dialog } from "@/parts/overlays";
import { StateGlyph } from "@/parts/StateGlyph";
import { counted } from "@/words/numbers";
import { zoneName } from "@/words/times";
import { wallText } from "@/words/zoned";
import { MOST_RUNS, type Step, stepsBetween, valueOf } from "./steps";

type Made = { flow_run_id: string | null; status: string; error: string | null };
const STEPS: readonly Step[] = ["hour", "day", "week", "month"];
const DAY_MS = 86_400_000;

/** Parameters that can hold a date: dates first, then texts. */
function dateParameters(deployment: Deployment): { name: string; format: unknown }[] {
  const properties = shapeOf(deployment.parameter_openapi_schema)["properties"];
  const found = Object.entries(isRecord(properties) ? properties : {})
    .filter(([, each]) => isRecord(each) && each["type"] === "string" && !("enum" in each))
    .map(([name, each]) => ({ name, format: (each as Values)["format"] }));
  const isDate = ({ format }: { format: unknown }) => format === "date" || format === "date-time";
  return [...found.filter(isDate), ...found.filter((each) => !isDate(each))];
}

export function Backfill({
  deployment,
  body,
  isBad,
  onClose,
}: {
  deployment: Deployment;
  body: Values;
  isBad: boolean;
  onClose: () => void;
}) {
  const clock = useClock();
  const parameters = useMemo(() => dateParameters(deployment), [deployment]);
  const [name, setName] = useState(parameters[0]?.name ?? "");
  const [step, setStep] = useState<Step>("day");
  const [first, setFirst] = useState(() => `${day(-7, clock.zone)}T00:00`);
  const [last, setLast] = useState(() => `${day(-1, clock.zone)}T00:00`);
  const [made, setMade] = useState<Made[] | null>(null);
  const [batch] = useState(() => crypto.randomUUID());
  const [going, busy] = useAct();
  const dates = useMemo(() => stepsBetween(first, last, step, clock.zone), [first, last, step, clock.zone]);
  const format = parameters.find((each) => each.name === name)?.format;
  const values = dates.map((at) => valueOf(at, format, clock.zone));
  const isMany = dates.length > MOST_RUNS;

  const go = () =>
    going("No run was made", async () => {
      const given = isRecord(body["parameters"]) ? body["parameters"] : {};
      // The keys make it safe to try again: what was made already is found, not made twice.
      const runs = values.map((value) => ({
        ...body,
        parameters: { ...given, [name]: value },
        idempotency_key: `backfill ${batch} ${value}`,
      }));
      const answer = await post<{ results: Made[] }>(
        `/deployments/${deployment.id}/create_flow_run/bulk`,
        runs,
      );
      setMade(answer.results);
    });

  return (
    <Dialog open title={`Backfill ${deployment.name} over a range`} onClose={onClose} size={560}>
      {parameters.length === 0 ? (
        <p className="m">
          None of the flow's parameters takes a date or a text, so there is nothing to vary.
        </p>
      ) : made ? (
        <Results made={made} values={values} />
      ) : (
        <div className="form2">
          <SelectField
            label="Parameter"
            value={name}
            choices={parameters.map((each) => ({ value: each.name, text: each.name }))}
            onChange={(event) => setName(event.target.value)}
          />
          <SelectField
            label="A run for each"
            value={step}
            choices={STEPS.map((each) => ({ value: each, text: each }))}
            onChange={(event) => setStep(event.target.value as Step)}
          />
          <TextField
            label="From"
            hint={zoneName(clock)}
            type="datetime-local"
            value={first}
            onChange={(event) => setFirst(event.target.value)}
          />
          <TextField
            label="To, included"
            type="datetime-local"
            value={last}
            error={dates.length === 0 ? "The range has no step." : null}
            onChange={(event) => setLast(event.target.value)}
          />
        </div>
      )}
      {!made && values.length > 0 && (
        <p className={isMany ? "t-late" : "m"} role="status">
          {isMany
            ? `At most ${MOST_RUNS} runs at a time: take a shorter range or a longer step.`
            : `${counted(values.length, "run")}: ${name} = ${values[0]}${values.length > 1 ? ` to ${values.at(-1)}` : ""}. All other values are those of the form.`}
        </p>
      )}
      {isBad && !made && <p className="t-late">Mend the values of the form first.</p>}
      <div className="row dlg-acts">
        <Button onClick={onClose}>{made ? "Close" : "Cancel"}</Button>
        {made ? (
          <Link className="btn" to={`/deployments/${deployment.id}`} search={{ tab: "runs" } as never}>
            See the runs
          </Link>
        ) : (
          <Button
            sun
            disabled={busy || isBad || isMany || values.length === 0 || name === ""}
            onClick={() => void go()}
          >
            Make {counted(values.length, "run")}
          </Button>
        )}
      </div>
    </Dialog>
  );
}

function Results({ made, values }: { made: Made[]; values: string[] }) {
  const failed = made.map((each, at) => ({ ...each, value: values[at] })).filter((each) => each.error);
  return (
    <div className="checks" role="status">
      <div>
        <StateGlyph type="COMPLETED" label={false} />
        <span>{counted(made.length - failed.length, "run")} made</span>
      </div>
      {failed.map((each) => (
        <div key={each.value}>
          <StateGlyph type="FAILED" label={false} />
          <span>
            {each.value}: {each.error}
          </span>
        </div>
      ))}
    </div>
  );
}

function day(away: number, zone: string | undefined): string {
  return wallText(new Date(Date.now() + away * DAY_MS), zone).slice(0, 10);
}
