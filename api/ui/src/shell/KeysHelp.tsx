import { Dialog } from "@/parts/overlays";
import { PLACES } from "./places";

const KEYS: readonly (readonly [string, string])[] = [
  ["Ctrl K", "Search, or run a command"],
  ["/", "Filter this page"],
  ["J K", "Next and previous row"],
  ["Enter", "Open the row"],
  ["Space", "Select the row; with Shift all between"],
  ["R X P", "Retry, cancel, pause or resume the run"],
  ["Shift R", "Run again with changes"],
  ["C", "Copy the run's command"],
  [".", "Follow the log"],
  ["Z", "Take back"],
  ["T", "Light or dark"],
  ["1 2 3", "Views of the run graph"],
  ["+ - 0", "Zoom the graph, fit it"],
  ["F N E", "Find, next failed, unfold"],
];

export function KeysHelp({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} title="Keys" size={640}>
      <div className="keys">
        {KEYS.map(([key, text]) => (
          <div key={key}>
            <kbd className="kbd">{key}</kbd> {text}
          </div>
        ))}
        {PLACES.filter((place) => place.key).map((place) => (
          <div key={place.to}>
            <kbd className="kbd">G {place.key}</kbd> {place.text}
          </div>
        ))}
      </div>
    </Dialog>
  );
}
