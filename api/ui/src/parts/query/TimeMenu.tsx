/** The usual stretches of time, for readers who would rather choose than type. */

import { Calendar, ChevronDown } from "lucide-react";
import { Menu } from "../overlays";

const RANGES: readonly (readonly [string, string])[] = [
  ["last 15m", "Last 15 minutes"],
  ["last 1h", "Last hour"],
  ["last 6h", "Last 6 h"],
  ["last 24h", "Last 24 h"],
  ["last 7d", "Last 7 days"],
  ["last 30d", "Last 30 days"],
  ["today", "Today"],
  ["yesterday", "Yesterday"],
];

export function TimeMenu({ value, onChange }: { value: string; onChange: (value: string | null) => void }) {
  const known = RANGES.find(([word]) => word === value)?.[1];
  const text = known ?? (value ? "Own range" : "All time");
  return (
    <Menu
      label={`Time: ${text}`}
      items={[
        { text: "All time", act: () => onChange(null) },
        ...RANGES.map(([word, shown]) => ({ text: shown, act: () => onChange(word) })),
      ]}
      button={
        <button type="button" className="btn time-menu" title={value || undefined}>
          <Calendar className="i" /> {text} <ChevronDown className="i s" />
        </button>
      }
    />
  );
}
