/** The views above a list: some that are always there, and those that people saved. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { type FormEvent, useState } from "react";
import { removeView, saveView, type View, viewsQuery } from "@/data/savedViews";
import { said } from "@/data/failures";
import { act } from "../acting";
import { Button } from "../Button";
import { TextField } from "../fields";
import { Dialog } from "../overlays";

type Props = {
  about: string;
  /** What the list shows: "runs". */
  what: string;
  q: string;
  fixed: readonly { name: string; q: string }[];
  onChoose: (q: string) => void;
};

export function Views({ about, what, q, fixed, onChoose }: Props) {
  const queries = useQueryClient();
  const saved = useQuery(viewsQuery(about)).data ?? [];
  const [isSaving, setSaving] = useState(false);
  const again = () => queries.invalidateQueries({ queryKey: viewsQuery(about).queryKey });
  const forget = (view: View) =>
    void act(`${view.name} was not removed`, async () => (await removeView(view.id), await again()), {
      done: `View ${view.name} removed`,
      undo: () =>
        void act("Not saved", async () => (await saveView(about, view.name, view.q), await again())),
    });
  const isKnown = [...fixed, ...saved].some((view) => view.q === q);
  return (
    <nav className="views scroll-x" aria-label="Views">
      {fixed.map((view) => (
        <button
          key={view.name}
          type="button"
          className="view"
          aria-current={view.q === q ? "true" : undefined}
          onClick={() => onChoose(view.q)}
        >
          {view.name}
        </button>
      ))}
      {saved.map((view) => (
        <span key={view.id} className="row view-own">
          <button
            type="button"
            className="view"
            aria-current={view.q === q ? "true" : undefined}
            title={view.q}
            onClick={() => onChoose(view.q)}
          >
            {view.name}
          </button>
          {view.q === q && (
            <Button quiet small icon label={`Remove the view ${view.name}`} onClick={() => forget(view)}>
              <X className="i s" />
            </Button>
          )}
        </span>
      ))}
      {!isKnown && (
        <button type="button" className="view" onClick={() => setSaving(true)}>
          <Plus className="i s" /> Save this view
        </button>
      )}
      {isSaving && (
        <SaveDialog
          about={about}
          what={what}
          q={q}
          onClose={() => setSaving(false)}
          onSaved={() => void again()}
        />
      )}
    </nav>
  );
}

function SaveDialog({
  about,
  what,
  q,
  onClose,
  onSaved,
}: {
  about: string;
  what: string;
  q: string;
  onClose: () => void;
  onSaved: () => void;
}) {
  const [name, setName] = useState("");
  const [failed, setFailed] = useState<string | null>(null);
  const save = async (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) {
      setFailed("A view needs a name.");
      return;
    }
    try {
      await saveView(about, name.trim(), q);
      onSaved();
      onClose();
    } catch (error) {
      setFailed(said(error));
    }
  };
  return (
    <Dialog open title="Save this view" onClose={onClose}>
      <form onSubmit={(event) => void save(event)} className="dlg-form">
        <TextField
          label="Name"
          value={name}
          onChange={(event) => setName(event.target.value)}
          error={failed}
          help={q ? `Shows ${q}` : `Shows all ${what}`}
          data-autofocus
        />
        <div className="row dlg-acts">
          <Button onClick={onClose}>Cancel</Button>
          <button type="submit" className="btn sun">
            Save view
          </button>
        </div>
      </form>
    </Dialog>
  );
}
