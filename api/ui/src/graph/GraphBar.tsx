/** The graph's tools: view, colour, critical path, find, zoom, export, full screen. */

import {
  ChartGantt,
  ChevronDown,
  Download,
  Maximize,
  Minus,
  Network,
  Plus,
  Radar as RadarIcon,
  Route,
} from "lucide-react";
import type { RefObject } from "react";
import { Button } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { Menu } from "@/parts/overlays";
import { figure } from "@/words/numbers";
import type { CanvasHandle, ViewName } from "./GraphCanvas";
import type { ColourBy } from "./ink";

const COLOURS: readonly { value: ColourBy; text: string }[] = [
  { value: "state", text: "state" },
  { value: "duration", text: "duration" },
  { value: "node", text: "node" },
  { value: "tries", text: "tries" },
];

type Props = {
  view: ViewName;
  setView: (view: ViewName) => void;
  colourBy: ColourBy;
  setColourBy: (by: ColourBy) => void;
  path: boolean;
  setPath: (on: boolean) => void;
  query: string;
  setQuery: (query: string) => void;
  found: number | null;
  next: () => void;
  input: RefObject<HTMLInputElement | null>;
  canvas: RefObject<CanvasHandle | null>;
  full: () => void;
  name: string;
};

export function GraphBar({ canvas, input, ...props }: Props) {
  return (
    <div className="gbar graph-bar" role="toolbar" aria-label="The graph">
      <Segmented<ViewName>
        small
        label="View of the graph"
        value={props.view}
        onChange={props.setView}
        choices={[
          {
            value: "timeline",
            text: (
              <>
                <ChartGantt className="i s" /> Timeline
              </>
            ),
          },
          {
            value: "dependency",
            text: (
              <>
                <Network className="i s" /> Dependency
              </>
            ),
          },
          {
            value: "radar",
            text: (
              <>
                <RadarIcon className="i s" /> Radar
              </>
            ),
          },
        ]}
      />
      <Menu
        label={`Colour: ${props.colourBy}`}
        button={
          <button type="button" className="btn small">
            Colour: {props.colourBy} <ChevronDown className="i s" />
          </button>
        }
        items={COLOURS.map(({ value, text }) => ({ text, act: () => props.setColourBy(value) }))}
      />
      <Button small pressed={props.path} onClick={() => props.setPath(!props.path)}>
        <Route className="i s" /> Critical path
      </Button>
      <span className="in gsearch">
        <input
          ref={input}
          type="search"
          aria-label="Find task runs"
          placeholder="Find: [1187], failed, node:cpu-2"
          value={props.query}
          spellCheck={false}
          onChange={(event) => props.setQuery(event.target.value)}
          onKeyDown={(event) => event.key === "Enter" && props.next()}
        />
        {props.found === null ? (
          <kbd className="kbd">F</kbd>
        ) : (
          <span className="push">{props.found === 0 ? "none" : figure(props.found)}</span>
        )}
      </span>
      <span className="push row">
        <Button small icon label="Zoom out" onClick={() => canvas.current?.zoomBy(1 / 1.5)}>
          <Minus className="i s" />
        </Button>
        <Button small icon label="Zoom in" onClick={() => canvas.current?.zoomBy(1.5)}>
          <Plus className="i s" />
        </Button>
        <Button small onClick={() => canvas.current?.fit()}>
          Fit
        </Button>
        <Menu
          label="Save the picture"
          button={
            <button
              type="button"
              className="btn small icon"
              aria-label="Save the picture"
              title="Save the picture"
            >
              <Download className="i s" />
            </button>
          }
          items={[
            {
              text: "PNG",
              act: () => void canvas.current?.png().then((blob) => blob && save(blob, `${props.name}.png`)),
            },
            { text: "SVG", act: () => canvas.current && save(canvas.current.svg(), `${props.name}.svg`) },
          ]}
        />
        <Button small icon label="Full screen" onClick={props.full}>
          <Maximize className="i s" />
        </Button>
      </span>
    </div>
  );
}

function save(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1_000);
}
