import { Keyboard, LogOut, Moon, Search, Sun } from "lucide-react";
import { useNow } from "@/data/now";
import { setPreferences, useClock } from "@/data/preferences";
import { useLiveStatus } from "@/data/useLive";
import { Button } from "@/parts/Button";
import { timeOfDay, zoneName } from "@/words/times";
import { Sign } from "./Navigation";

type Props = { openPalette: () => void; openKeys: () => void; leave?: () => void };

export function TopBar({ openPalette, openKeys, leave }: Props) {
  return (
    <div className="top">
      <span className="top-brand">
        <Sign /> Heliostat
      </span>
      <button type="button" className="find" onClick={openPalette} title="Search or run a command">
        <Search className="i" />
        <span>Search or run a command</span>
        <kbd className="kbd wide">Ctrl K</kbd>
      </button>
      <LiveMark />
      <Clock />
      <ThemeSwitch />
      <span className="wide">
        <Button quiet icon label="Keys" onClick={openKeys}>
          <Keyboard className="i" />
        </Button>
      </span>
      {leave && (
        <Button quiet icon label="Sign out" onClick={leave}>
          <LogOut className="i" />
        </Button>
      )}
    </div>
  );
}

function LiveMark() {
  const status = useLiveStatus();
  const clock = useClock();
  if (status.kind === "live")
    return (
      <span className="live" role="status">
        <i /> Live
      </span>
    );
  const since = timeOfDay(new Date(status.since), clock);
  const text = status.kind === "polling" ? "Polling" : `Reconnecting, as of ${since}`;
  return (
    <span className="live off" role="status" title={`as of ${since}`}>
      <i /> {text}
    </span>
  );
}

function Clock() {
  const now = useNow();
  const clock = useClock();
  return (
    <span className="clock">
      {zoneName(clock)} <b>{timeOfDay(new Date(now), clock)}</b>
    </span>
  );
}

export function toggleTheme(): void {
  const isDark = document.documentElement.dataset["theme"] === "dark";
  setPreferences({ theme: isDark ? "light" : "dark" });
}

function ThemeSwitch() {
  return (
    <Button quiet icon label="Light or dark" onClick={toggleTheme}>
      <Sun className="i only-dark" />
      <Moon className="i only-light" />
    </Button>
  );
}
