import { Link } from "@tanstack/react-router";
import type { Surroundings, TaskRunDetails } from "@/data/oneRun";
import { StateGlyph } from "@/parts/StateGlyph";
import { figure } from "@/words/numbers";

/** Where the values of a task run came from. */
export function Inputs({ task, around }: { task: TaskRunDetails; around: Surroundings | undefined }) {
  const entries = Object.entries(task.task_inputs);
  if (entries.length === 0)
    return (
      <p className="note tr-part">
        Which values it was called with is not kept. None of them came from another task run.
      </p>
    );
  return (
    <table className="tbl flat">
      <tbody>
        {entries.map(([name, sources]) => {
          const steps = around?.inputs[name] ?? [];
          const more = sources.length - steps.length;
          return (
            <tr key={name}>
              <td className="mono tr-input">{name === "__parents__" ? "inside of" : name}</td>
              <td>
                <span className="row tr-sources">
                  {steps.map((step) => (
                    <Link key={step.id} to={`/task-runs/${step.id}`} className="chip" title={step.name}>
                      <StateGlyph type={step.state_type} name={step.state_name} />
                      <span className="cut">{step.name}</span>
                    </Link>
                  ))}
                  {steps.length === 0 && (
                    <span className="m">
                      {sources.map((each) => each.name ?? each.input_type.replace("_", " ")).join(", ") ||
                        "a value of the flow"}
                    </span>
                  )}
                  {steps.length > 0 && more > 0 && <span className="q">and {figure(more)} more</span>}
                </span>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
