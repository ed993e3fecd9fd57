import { Trash2, Undo2 } from "lucide-react";
import { useState } from "react";
import type { Values } from "@/data/deployments";
import { Button } from "@/parts/Button";
import { brief, isSame } from "@/parts/form/compare";
import { SectionHead } from "@/parts/page";

const SECRET = /^\*{8}$/;

/** Variables of the process's environment, one a row. */
export function Environment({
  base,
  value,
  onChange,
}: {
  base: Values;
  value: Values;
  onChange: (value: Values) => void;
}) {
  const [added, setAdded] = useState<string | null>(null);
  const names = [...new Set([...Object.keys(base), ...Object.keys(value)])];
  const without = (name: string) => {
    onChange(Object.fromEntries(Object.entries(value).filter(([each]) => each !== name)));
  };
  const add = () => {
    if (added?.trim()) onChange({ ...value, [added.trim()]: "" });
    setAdded(null);
  };
  return (
    <>
      <div className="bt" />
      <SectionHead title="Environment" count={names.length || undefined}>
        <Button small quiet onClick={() => setAdded("")}>
          Add a variable
        </Button>
      </SectionHead>
      <div className="formpad envs">
        {names.map((name) => {
          const differs = !isSame(base[name], value[name]);
          const text = value[name] === undefined || value[name] === null ? "" : String(value[name]);
          return (
            <div key={name} className="envrow">
              <label htmlFor={`env-${name}`} className="mono cut" title={name}>
                {name}
              </label>
              <span className={differs ? "in changed" : "in"}>
                <input
                  id={`env-${name}`}
                  className="mono"
                  type={SECRET.test(text) ? "password" : "text"}
                  value={text}
                  autoComplete="off"
                  onChange={(event) => onChange({ ...value, [name]: event.target.value })}
                />
              </span>
              <span className="q sm row gap1">
                {!differs ? "of the deployment" : name in base ? `was ${brief(base[name], 20)}` : "new"}
                {differs && (
                  <Button
                    quiet
                    small
                    icon
                    label={name in base ? `Back to ${brief(base[name], 20)}` : `Take out ${name}`}
                    onClick={() =>
                      name in base ? onChange({ ...value, [name]: base[name] }) : without(name)
                    }
                  >
                    {name in base ? <Undo2 className="i s" /> : <Trash2 className="i s" />}
                  </Button>
                )}
              </span>
            </div>
          );
        })}
        {added !== null && (
          <form
            className="envrow"
            onSubmit={(event) => {
              event.preventDefault();
              add();
            }}
          >
            <span className="in">
              <input
                className="mono"
                aria-label="Name of the variable"
                placeholder="NAME"
                value={added}
                autoFocus
                onBlur={add}
                onChange={(event) => setAdded(event.target.value)}
              />
            </span>
          </form>
        )}
        {names.length === 0 && added === null && <span className="note">none set</span>}
      </div>
    </>
  );
}
