import { X } from "lucide-react";
import { useId, useState } from "react";

/** Short texts, each of which can be taken out: tags. */
export function Chips({
  label,
  values,
  onChange,
}: {
  label: string;
  values: readonly string[];
  onChange: (values: string[]) => void;
}) {
  const id = useId();
  const [text, setText] = useState("");
  const add = () => {
    const given = text
      .split(",")
      .map((each) => each.trim())
      .filter((each) => each && !values.includes(each));
    if (given.length > 0) onChange([...values, ...given]);
    setText("");
  };
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <span className="in tall">
        <span className="manychips chips grow">
          {values.map((each) => (
            <span key={each} className="chip on">
              <span className="cut" title={each}>
                {each}
              </span>
              <button
                type="button"
                aria-label={`Take out ${each}`}
                onClick={() => onChange(values.filter((one) => one !== each))}
              >
                <X className="i s" />
              </button>
            </span>
          ))}
          <input
            id={id}
            value={text}
            placeholder="add…"
            autoComplete="off"
            onChange={(event) => setText(event.target.value)}
            onBlur={add}
            onKeyDown={(event) => {
              if (event.key === "Enter" && !event.ctrlKey && text.trim()) {
                event.preventDefault();
                add();
              }
              if (event.key === "Backspace" && text === "") onChange(values.slice(0, -1));
            }}
          />
        </span>
      </span>
    </div>
  );
}
