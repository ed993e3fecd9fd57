import type { Definition } from "@/data/deployments";
import { useClock } from "@/data/preferences";
import { Field, SelectField, TextAreaField, TextField } from "@/parts/fields";
import { zoneName } from "@/words/times";
import { fromWallText, wallText } from "@/words/zoned";
import { kindOfSchedule, secondsOf, splitInterval, type Unit, UNIT_NAMES } from "./scheduleWords";

const CELLS = ["minute", "hour", "day", "month", "weekday"] as const;

export function ScheduleFields({
  definition,
  badField,
  onChange,
}: {
  definition: Definition;
  badField: string | undefined;
  onChange: (definition: Definition) => void;
}) {
  switch (kindOfSchedule(definition)) {
    case "cron":
      return <CronCells {...{ definition, onChange }} isBad={badField === "cron"} />;
    case "interval":
      return <IntervalFields {...{ definition, onChange }} />;
    case "rrule":
      return (
        <TextAreaField
          label="RRule"
          mono
          rows={2}
          value={String(definition["rrule"])}
          onChange={(event) => onChange({ ...definition, rrule: event.target.value })}
        />
      );
  }
}

function CronCells({
  definition,
  isBad,
  onChange,
}: {
  definition: Definition;
  isBad: boolean;
  onChange: (definition: Definition) => void;
}) {
  const text = String(definition["cron"]);
  const fields = text.split(" ");
  // "@daily" and expressions with seconds do not fit into five cells.
  if (fields.length !== CELLS.length)
    return (
      <TextField
        label="Cron"
        mono
        value={text}
        onChange={(event) => onChange({ ...definition, cron: event.target.value })}
      />
    );
  const set = (at: number, value: string) => {
    const spread = value.trim().split(/\s+/);
    // A whole expression that was pasted into a cell takes all of them.
    const cron =
      spread.length >= CELLS.length
        ? spread.join(" ")
        : fields.map((each, other) => (other === at ? value.replace(/\s/g, "") : each)).join(" ");
    onChange({ ...definition, cron });
  };
  return (
    <div className="cron" role="group" aria-label="Cron expression">
      {CELLS.map((name, at) => (
        <label key={name}>
          <span className={isBad ? "in bad" : "in"}>
            <input
              aria-label={name}
              aria-invalid={isBad}
              value={fields[at]}
              spellCheck={false}
              autoComplete="off"
              onChange={(event) => set(at, event.target.value)}
            />
          </span>
          {name}
        </label>
      ))}
    </div>
  );
}

function IntervalFields({
  definition,
  onChange,
}: {
  definition: Definition;
  onChange: (definition: Definition) => void;
}) {
  const clock = useClock();
  const { amount, unit } = splitInterval(Number(definition["interval"]) || 0);
  const anchor = typeof definition["anchor_date"] === "string" ? definition["anchor_date"] : "";
  const set = (seconds: number) => onChange({ ...definition, interval: seconds });
  return (
    <div className="form2 intervals">
      <TextField
        label="Every"
        type="number"
        min={1}
        value={amount || ""}
        onChange={(event) => set(secondsOf(Number(event.target.value), unit))}
      />
      <SelectField
        label="Unit"
        value={unit}
        choices={UNIT_NAMES.map((name) => ({ value: name, text: `${name}s` }))}
        onChange={(event) => set(secondsOf(amount, event.target.value as Unit))}
      />
      <Field label="Counted from" hint={zoneName(clock)}>
        {(inside) => (
          <input
            {...inside}
            type="datetime-local"
            step={1}
            value={anchor ? wallText(new Date(anchor), clock.zone) : ""}
            onChange={(event) => {
              const at = fromWallText(event.target.value, clock.zone);
              if (at) onChange({ ...definition, anchor_date: at.toISOString() });
            }}
          />
        )}
      </Field>
    </div>
  );
}
