/** "When …": the subject, its states, how often and within which time. */

import { useQuery } from "@tanstack/react-query";
import { choicesQuery } from "@/data/choices";
import { eventNamesQuery } from "@/data/events";
import { Segmented } from "@/parts/choosing";
import { SelectField, TextField } from "@/parts/fields";
import { wordOf } from "@/words/states";
import { type Simple, STATES, SUBJECTS, type Subject } from "./draft";

export function TriggerEditor({ simple, onChange }: { simple: Simple; onChange: (simple: Simple) => void }) {
  const set = (changed: Partial<Simple>) => onChange({ ...simple, ...changed });
  const flows = useQuery(choicesQuery("flows")).data ?? [];
  const deployments = useQuery(choicesQuery("deployments")).data ?? [];
  return (
    <fieldset>
      <legend>When</legend>
      <Segmented<Subject>
        label="What it is about"
        value={simple.subject}
        choices={SUBJECTS}
        onChange={(subject) => set({ subject, expect: [], match: "", related: [] })}
      />
      {simple.subject === "event" ? (
        <EventNames names={simple.expect} onChange={(expect) => set({ expect })} />
      ) : (
        <div className="ticks" role="group" aria-label="is in one of these states">
          {STATES[simple.subject].map((state) => (
            <label key={state}>
              <input
                type="checkbox"
                className="tick"
                checked={simple.expect.includes(state)}
                onChange={(event) =>
                  set({
                    expect: event.target.checked
                      ? [...simple.expect, state]
                      : simple.expect.filter((each) => each !== state),
                  })
                }
              />
              {wordOf(null, state.replaceAll("-", " "))}
            </label>
          ))}
        </div>
      )}
      <div className="form2">
        {simple.subject === "flow-run" && (
          <SelectField
            label="Of"
            value={simple.related.length > 1 ? "several" : (simple.related[0] ?? "")}
            onChange={(event) => set({ related: event.target.value ? [event.target.value] : [] })}
            choices={[
              { value: "", text: "every flow and deployment" },
              ...(simple.related.length > 1
                ? [{ value: "several", text: `${simple.related.length} chosen in JSON` }]
                : []),
              ...flows.map((each) => ({ value: `prefect.flow.${each.value}`, text: `flow ${each.text}` })),
              ...deployments.map((each) => ({
                value: `prefect.deployment.${each.value}`,
                text: `deployment ${each.text}`,
              })),
            ]}
          />
        )}
        {simple.subject === "event" && (
          <TextField
            label="About the resource"
            hint="id, * at its end for all that begin so"
            mono
            value={simple.match}
            onChange={(event) => set({ match: event.target.value })}
          />
        )}
      </div>
      <Often simple={simple} set={set} />
    </fieldset>
  );
}

function Often({ simple, set }: { simple: Simple; set: (changed: Partial<Simple>) => void }) {
  const isAbsence = simple.posture === "Proactive";
  const needsTime = isAbsence || simple.threshold > 1;
  return (
    <>
      <Segmented
        label="Whether it happens or stays away"
        value={simple.posture}
        choices={[
          { value: "Reactive", text: "It happens" },
          { value: "Proactive", text: "It does not happen" },
        ]}
        onChange={(posture) =>
          set({ posture, within: posture === "Proactive" ? Math.max(simple.within, 60) : simple.within })
        }
      />
      <div className="form2">
        {!isAbsence && (
          <TextField
            label="Times"
            type="number"
            min={1}
            value={simple.threshold}
            onChange={(event) => {
              const threshold = Math.max(1, Math.round(Number(event.target.value)) || 1);
              set({ threshold, within: threshold > 1 ? Math.max(simple.within, 60) : 0 });
            }}
          />
        )}
        {needsTime && (
          <TextField
            label={isAbsence ? "For" : "Within"}
            hint="seconds"
            type="number"
            min={isAbsence ? 10 : 0}
            value={simple.within}
            onChange={(event) => set({ within: Math.max(0, Number(event.target.value) || 0) })}
          />
        )}
      </div>
    </>
  );
}

function EventNames({ names, onChange }: { names: string[]; onChange: (names: string[]) => void }) {
  const known = useQuery(eventNamesQuery(168)).data ?? [];
  return (
    <>
      <TextField
        label="Events"
        hint="names separated by commas; none means any"
        mono
        list="automation-events"
        value={names.join(", ")}
        onChange={(event) =>
          onChange(
            event.target.value
              .split(",")
              .map((each) => each.trim())
              .filter(Boolean),
          )
        }
      />
      <datalist id="automation-events">
        {known.map((each) => (
          <option key={each.value} value={each.value} />
        ))}
      </datalist>
    </>
  );
}
