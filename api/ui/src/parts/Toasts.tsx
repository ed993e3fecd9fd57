import { X } from "lucide-react";
import { Button } from "./Button";
import { StateGlyph } from "./StateGlyph";
import { dismiss, useToasts } from "./toasts";

/** The stack of messages; a reader of the screen hears each. */
export function Toasts() {
  const toasts = useToasts();
  return (
    <div className="toasts" role="status" aria-live="polite">
      {toasts.map((each) => (
        <div key={each.id} className={each.bad ? "toast bad" : "toast"}>
          {each.bad && <StateGlyph type="FAILED" label={false} />}
          <span>{each.text}</span>
          {each.undo && (
            <Button small onClick={() => (dismiss(each.id), each.undo?.())}>
              Undo <kbd className="kbd">Z</kbd>
            </Button>
          )}
          {each.again && (
            <Button small onClick={() => (dismiss(each.id), each.again?.())}>
              Try again
            </Button>
          )}
          {!each.brief && (
            <Button quiet small icon label="Close" onClick={() => dismiss(each.id)}>
              <X className="i" />
            </Button>
          )}
        </div>
      ))}
    </div>
  );
}
