import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Check, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import {
  type Definition,
  type Deployment,
  previewQuery,
  type Schedule,
  type ScheduleBody,
  type Values,
} from "@/data/deployments";
import { said } from "@/data/failures";
import type { Usual } from "@/data/usual";
import { Button } from "@/parts/Button";
import { Box, Segmented } from "@/parts/choosing";
import { isSame } from "@/parts/form/compare";
import { StateGlyph } from "@/parts/StateGlyph";
import { counted, duration } from "@/words/numbers";
import { Fires } from "./Fires";
import { ScheduleFields } from "./ScheduleFields";
import { ScheduleParameters } from "./ScheduleParameters";
import { type Kind, kindOfSchedule, scheduleWords, zoneOf } from "./scheduleWords";
import { WeekGrid } from "./WeekGrid";

const AFTER_MS = 250;

/** One schedule, open: its fields, what the server says that they mean, and what it adds to the load. */
export function ScheduleEditor({
  deployment,
  schedule,
  usual,
  onSave,
  onClose,
  onDelete,
}: {
  deployment: Deployment;
  schedule: Schedule;
  usual: Usual | undefined;
  onSave: (body: ScheduleBody) => Promise<void>;
  onClose: () => void;
  onDelete?: () => void;
}) {
  const [definition, setDefinition] = useState<Definition>(schedule.schedule);
  const [parameters, setParameters] = useState<Values>(schedule.parameters);
  const [withParameters, setWithParameters] = useState(false);
  const [failed, setFailed] = useState("");
  const [busy, setBusy] = useState(false);
  const text = JSON.stringify(definition);
  const [asked] = useDebouncedValue(text, AFTER_MS);
  const wanted = useMemo(() => JSON.parse(asked) as Definition, [asked]);
  const query = useQuery(previewQuery(wanted));
  const preview = query.data;
  const problem = preview?.problem ?? null;
  const isChanged =
    schedule.id === "" || !isSame(definition, schedule.schedule) || !isSame(parameters, schedule.parameters);
  const isFresh = asked === text && !query.isPlaceholderData;

  const setKind = (kind: Kind) => {
    const zone = zoneOf(definition);
    if (kind === "cron") setDefinition({ cron: "30 6 * * *", timezone: zone, day_or: true });
    if (kind === "interval")
      setDefinition({ interval: 3600, anchor_date: new Date().toISOString(), timezone: zone });
    if (kind === "rrule")
      setDefinition({ rrule: "FREQ=DAILY;BYHOUR=6;BYMINUTE=30;BYSECOND=0", timezone: zone });
  };
  const save = async () => {
    setBusy(true);
    setFailed("");
    try {
      await onSave({ schedule: definition, parameters });
    } catch (error) {
      setFailed(said(error));
    } finally {
      setBusy(false);
    }
  };
  const options = deployment.concurrency_options;
  const limit = deployment.global_concurrency_limit?.limit ?? deployment.concurrency_limit;
  const given = Object.keys(parameters).length;
  return (
    <div className="sedit">
      <div className="row">
        <Segmented
          small
          label="Kind of schedule"
          value={kindOfSchedule(definition)}
          choices={[
            { value: "cron", text: "Cron" },
            { value: "interval", text: "Interval" },
            { value: "rrule", text: "RRule" },
          ]}
          onChange={setKind}
        />
        <ZoneField
          value={zoneOf(definition)}
          isBad={problem?.field === "timezone"}
          onChange={(timezone) => setDefinition({ ...definition, timezone })}
        />
      </div>
      <ScheduleFields definition={definition} badField={problem?.field} onChange={setDefinition} />
      {problem ? (
        <div className="field">
          <div className="err" role="alert">
            <StateGlyph type="FAILED" label={false} /> <span>{problem.text}</span>
          </div>
        </div>
      ) : (
        <div className="say" role="status">
          <Check className="i s" />
          <span>
            {scheduleWords(definition)}
            {preview && `, ${zoneOf(definition)}`}
          </span>
        </div>
      )}
      {preview && preview.problem === null && (
        <>
          <WeekGrid hours={preview.hours} zone={preview.zone} />
          <Fires preview={preview} />
        </>
      )}
      <div className="opts">
        {limit !== null && (
          <span>
            If {limit === 1 ? "the last run still works" : `${limit} runs still work`}:{" "}
            <b className="b">
              {options?.collision_strategy === "CANCEL_NEW" ? "cancel the new one" : "let the new one wait"}
            </b>
          </span>
        )}
        <label className="row">
          <Box
            on={withParameters || given > 0}
            label="Other parameters for this schedule"
            onChange={(on) => {
              setWithParameters(on);
              if (!on) setParameters({});
            }}
          />
          Other parameters for this schedule{" "}
          <span className="q">{given === 0 ? "none set" : counted(given, "value")}</span>
        </label>
        {(withParameters || given > 0) && (
          <ScheduleParameters deployment={deployment} value={parameters} onChange={setParameters} />
        )}
      </div>
      {failed && (
        <div className="row err-line" role="alert">
          <StateGlyph type="FAILED" label={false} /> {failed}
        </div>
      )}
      <div className="row sched-foot">
        <span className="note grow">
          {preview?.problem === null && loadOf(preview.a_week, preview.is_cut, usual)}
        </span>
        {onDelete && (
          <Button quiet small icon label="Delete this schedule" onClick={onDelete}>
            <Trash2 className="i s" />
          </Button>
        )}
        {isChanged && (
          <Button
            small
            quiet
            onClick={() => {
              setDefinition(schedule.schedule);
              setParameters(schedule.parameters);
              if (!schedule.id) onClose();
            }}
          >
            Discard
          </Button>
        )}
        <Button
          small
          disabled={!isChanged || problem !== null || !isFresh || !preview || busy}
          onClick={() => void save()}
        >
          Save
        </Button>
      </div>
    </div>
  );
}

function loadOf(aWeek: number, isCut: boolean, usual: Usual | undefined): string {
  const runs = `Adds ${isCut ? "more than " : ""}${counted(aWeek, "run")} a week`;
  return usual && aWeek > 0 ? `${runs}, about ${duration(aWeek * usual.median_s)} of one slot.` : `${runs}.`;
}

const ZONES: readonly string[] = Intl.supportedValuesOf("timeZone");

function ZoneField({
  value,
  isBad,
  onChange,
}: {
  value: string;
  isBad: boolean;
  onChange: (zone: string) => void;
}) {
  return (
    <span className={isBad ? "push in bad zone" : "push in zone"}>
      <input
        list="time-zones"
        aria-label="Time zone"
        aria-invalid={isBad}
        value={value}
        spellCheck={false}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id="time-zones">
        {["UTC", ...ZONES].map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
    </span>
  );
}
