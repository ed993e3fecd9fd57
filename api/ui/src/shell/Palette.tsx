/** Search over places and objects, and commands: one field for all of them. */

import { Modal } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useState } from "react";
import { searchQuery } from "@/data/search";
import { StateGlyph } from "@/parts/StateGlyph";
import { PLACES } from "./places";
import { toggleTheme } from "./TopBar";

type Item = { key: string; group: string; text: string; about?: string; icon: ReactNode; go: () => void };

export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Modal
      opened={open}
      onClose={onClose}
      withCloseButton={false}
      padding={0}
      size={660}
      yOffset={84}
      classNames={{ content: "m-dialog palette-box", overlay: "m-scrim" }}
      transitionProps={{ duration: 90 }}
      attributes={{ content: { "aria-label": "Search or run a command" } }} // the kit would put it around the dialog
    >
      {open && <Inside onClose={onClose} />}
    </Modal>
  );
}

function Inside({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const items = useItems(text, onClose);
  const chosen = Math.min(at, items.length - 1);
  const pressed = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setAt((chosen + step + items.length) % Math.max(1, items.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      items[chosen]?.go();
    }
  };
  return (
    <div className="palette-in" onKeyDown={pressed}>
      <div className="ask">
        <Search className="i" />
        <input
          data-autofocus
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={items[chosen] ? `palette-${chosen}` : undefined}
          aria-label="Search or run a command"
          placeholder="Name, id, tag, place or command"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setAt(0);
          }}
        />
      </div>
      <div id="palette-list" role="listbox" aria-label="Found" className="palette-list">
        {items.map((item, index) => (
          <div key={item.key}>
            {item.group !== items[index - 1]?.group && <h3>{item.group}</h3>}
            <div
              id={`palette-${index}`}
              role="option"
              aria-selected={index === chosen}
              className={index === chosen ? "it cur" : "it"}
              onMouseMove={() => setAt(index)}
              onClick={item.go}
            >
              {item.icon}
              <span className="cut">{item.text}</span>
              <span className="q sm">{item.about}</span>
            </div>
          </div>
        ))}
        {items.length === 0 && <div className="note palette-none">Nothing has this in its name.</div>}
      </div>
    </div>
  );
}

function useItems(text: string, onClose: () => void): Item[] {
  const navigate = useNavigate();
  const [asked] = useDebouncedValue(text.trim(), 150);
  const found = useQuery({ ...searchQuery(asked), enabled: asked.length > 1 });
  const go = (to: string) => () => {
    onClose();
    void navigate({ to });
  };
  const words = text.trim().toLowerCase();
  const commands: Item[] = [
    {
      key: "theme",
      group: "Commands",
      text: "Switch between light and dark",
      about: "T",
      icon: <span />,
      go: () => (toggleTheme(), onClose()),
    },
  ];
  const places: Item[] = PLACES.map((place) => ({
    key: place.to,
    group: "Places",
    text: place.text,
    about: place.key ? `G ${place.key}` : undefined,
    icon: <place.icon className="i" />,
    go: go(place.to),
  }));
  const objects: Item[] = (asked.length > 1 ? (found.data ?? []) : []).map((each) => ({
    key: each.to,
    group: each.group,
    text: each.text,
    about: each.about,
    icon: each.state ? <StateGlyph type={each.state.type} name={each.state.name} /> : <span />,
    go: go(each.to),
  }));
  const fits = (item: Item) => item.text.toLowerCase().includes(words);
  return [...commands.filter(fits), ...objects, ...places.filter(fits)];
}
