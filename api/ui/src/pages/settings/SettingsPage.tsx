import { useQuery } from "@tanstack/react-query";
import { conditionQuery, settingsQuery, standingStill } from "@/data/condition";
import { useUrlState } from "@/data/urlState";
import { Tabs } from "@/parts/choosing";
import { CopyAs } from "@/parts/overlays";
import { Title } from "@/parts/page";
import { Access } from "./Access";
import { Health } from "./Health";
import { Reader } from "./Reader";
import { ServerSettings } from "./ServerSettings";
import "./settings.css";

export default function SettingsPage() {
  const [tab] = useUrlState("tab", "health");
  const condition = useQuery(conditionQuery).data;
  const settings = useQuery(settingsQuery).data;
  const still = condition ? standingStill(condition).length : 0;
  return (
    <>
      <Title title="Settings and health">
        <CopyAs
          commands={{ cli: "heliostat config view", api: { method: "GET", path: "/admin/settings" } }}
          json={{ settings, condition }}
        />
      </Title>
      <Tabs
        open={tab}
        tabs={[
          { value: "health", text: "Health", count: still ? `${still} stand still` : undefined },
          { value: "settings", text: "Settings", count: settings && Object.keys(settings).length },
          { value: "access", text: "Access" },
          { value: "browser", text: "This browser" },
        ]}
      />
      <Open tab={tab} />
    </>
  );
}

function Open({ tab }: { tab: string }) {
  switch (tab) {
    case "settings":
      return <ServerSettings />;
    case "access":
      return <Access />;
    case "browser":
      return <Reader />;
    default:
      return <Health />;
  }
}
