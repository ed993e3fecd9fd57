/** What this reader sees: theme, zone, hours. Kept in the browser. */

import { setPreferences, usePreferences } from "@/data/preferences";
import { Segmented } from "@/parts/choosing";
import { SelectField } from "@/parts/fields";
import { SectionHead } from "@/parts/page";

const ZONES = Intl.supportedValuesOf("timeZone");

export function Reader() {
  const { theme, zone, hour12 } = usePreferences();
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <section aria-label="This browser">
      <SectionHead title="This browser" />
      <div className="formpad">
        <div className="row">
          <Segmented
            label="Theme"
            value={theme}
            choices={[
              { value: "system", text: "As the system" },
              { value: "light", text: "Light" },
              { value: "dark", text: "Dark" },
            ]}
            onChange={(chosen) => setPreferences({ theme: chosen })}
          />
          <Segmented
            label="Hours"
            value={hour12 ? "12" : "24"}
            choices={[
              { value: "24", text: "24 h" },
              { value: "12", text: "12 h" },
            ]}
            onChange={(chosen) => setPreferences({ hour12: chosen === "12" })}
          />
        </div>
        <SelectField
          label="Time zone"
          hint="in which times are shown"
          value={zone ?? ""}
          onChange={(event) => setPreferences({ zone: event.target.value || null })}
          choices={[
            { value: "", text: `the browser's: ${own}` },
            { value: "UTC", text: "UTC" },
            ...ZONES.filter((each) => each !== "UTC").map((each) => ({ value: each, text: each })),
          ]}
        />
      </div>
    </section>
  );
}
