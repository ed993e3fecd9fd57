import { useQuery } from "@tanstack/react-query";
import { ExternalLink } from "lucide-react";
import { type Cluster, clusterQuery, type Picture, totalsOf } from "@/data/cluster";
import { useNow } from "@/data/now";
import { useUrlState } from "@/data/urlState";
import { Segmented } from "@/parts/choosing";
import { CopyAs } from "@/parts/overlays";
import { Fact, Facts, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { StateBadge, StateGlyph } from "@/parts/StateGlyph";
import { Ago } from "@/parts/Time";
import { age, bytes, counted } from "@/words/numbers";
import { Lately } from "./Lately";
import { LoadChart } from "./LoadChart";
import { Nodes } from "./Nodes";
import { ControlActors, Supervisors } from "./Supervisors";
import "./cluster.css";

export default function ClusterPage() {
  const [keeper] = useUrlState("keeper");
  const query = useQuery(clusterQuery(keeper));
  return (
    <Loaded query={query} what="The cluster">
      {(cluster) =>
        cluster.picture ? <Seen cluster={cluster} picture={cluster.picture} /> : <Unseen cluster={cluster} />
      }
    </Loaded>
  );
}

function Unseen({ cluster }: { cluster: Cluster }) {
  return (
    <>
      <Title title="Cluster" after={<StateBadge type="SCHEDULED" name="Not seen yet" />} />
      <Empty
        title="No server has seen Ray yet"
        text={
          cluster.problem ??
          "A server joins Ray, or starts one, unless it is told to run without. Process pools and scripts need none."
        }
        command="heliostat server start"
      />
    </>
  );
}

function Seen({ cluster, picture }: { cluster: Cluster; picture: Picture }) {
  const [view, setView] = useUrlState("view", "now");
  const where = picture.is_local ? "started by the server" : (picture.address ?? "");
  return (
    <>
      <Title
        title="Cluster"
        after={
          cluster.is_up ? (
            <StateBadge type="COMPLETED" name="Connected" />
          ) : (
            <StateBadge type="SCHEDULED" name="Away" />
          )
        }
        sub={`${where}, ${counted(picture.nodes.length, "node")}`}
      >
        <Segmented
          label="What is shown"
          value={view === "past" ? "past" : "now"}
          onChange={setView}
          choices={[
            { value: "now", text: "Now" },
            { value: "past", text: "Past 6 h" },
          ]}
        />
        <CopyAs
          commands={{ cli: "heliostat ray status", api: { method: "GET", path: "/heliostat/cluster" } }}
          json={cluster}
        />
        {picture.dashboard && cluster.is_up && (
          <a className="btn" href={picture.dashboard} target="_blank" rel="noreferrer">
            Ray dashboard <ExternalLink className="i" />
          </a>
        )}
      </Title>
      {!cluster.is_up && <Away cluster={cluster} />}
      <Keepers cluster={cluster} />
      <div className={cluster.is_up ? "seen" : "seen as-of"}>
        <Totals picture={picture} />
        {view === "past" ? (
          <LoadChart hours={6} />
        ) : (
          <Nodes nodes={picture.nodes} runs={cluster.runs} news={picture.news} />
        )}
        <div className="cols cl-cols bt">
          <Supervisors picture={picture} runs={cluster.runs} isUp={cluster.is_up} />
          <div>
            <ControlActors picture={picture} isUp={cluster.is_up} />
            <Lately news={picture.news} losses={cluster.losses} />
          </div>
        </div>
      </div>
    </>
  );
}

/** Ray is away: since when, why, and what goes on without it. */
function Away({ cluster }: { cluster: Cluster }) {
  return (
    <div className="strip k-late t-l" role="status">
      <StateGlyph type="SCHEDULED" name="Late" label={false} />
      <span className="grow wrap-line">
        <b className="b">
          Ray is away
          {cluster.seen && (
            <>
              , last seen <Ago at={cluster.seen} />
            </>
          )}
        </b>{" "}
        <span className="m">
          {cluster.problem}. What you see is the last picture. Schedules, process pools, these pages and the
          API go on; runs for Ray wait, and those under way go on from their journals.
        </span>
      </span>
    </div>
  );
}

/** Other servers of this database that look after a Ray. */
function Keepers({ cluster }: { cluster: Cluster }) {
  const [, setKeeper] = useUrlState("keeper");
  const up = cluster.keepers.filter((each) => each.is_up || each.keeper === cluster.keeper);
  const addresses = new Set(up.map((each) => each.address));
  if (addresses.size < 2) return null;
  return (
    <div className="gbar bb1">
      <Segmented
        label="Whose cluster"
        value={cluster.keeper ?? ""}
        onChange={setKeeper}
        choices={up.map((each) => ({ value: each.keeper, text: each.keeper }))}
      />
    </div>
  );
}

function Totals({ picture }: { picture: Picture }) {
  const now = useNow();
  const totals = totalsOf(picture.nodes);
  const head = picture.nodes.find((node) => node.is_head) ?? picture.nodes[0];
  const rounded = (value: number) => Math.round(value * 10) / 10;
  return (
    <Facts>
      <Fact name="CPU">
        <Metered used={totals.cpus_used} total={totals.cpus} shown={(value) => String(rounded(value))} />
      </Fact>
      {totals.gpus > 0 && (
        <Fact name="GPU">
          <Metered used={totals.gpus_used} total={totals.gpus} shown={(value) => String(rounded(value))} />
        </Fact>
      )}
      <Fact name="Memory">
        {bytes(totals.memory_used)} <span className="q">of {bytes(totals.memory)}</span>
      </Fact>
      <Fact name="Object store">
        {bytes(totals.store_used)}{" "}
        <span className="q">
          of {bytes(totals.store)}
          {totals.spilled > 0 && `, ${bytes(totals.spilled)} spilled`}
        </span>
      </Fact>
      <Fact name="Ray" grow>
        {picture.ray_version}
        {head?.started && <span className="q"> up {age(now / 1000 - head.started)}</span>}
      </Fact>
    </Facts>
  );
}

function Metered({ used, total, shown }: { used: number; total: number; shown: (value: number) => string }) {
  return (
    <span className="row">
      <span className="meter" style={{ width: 72 }}>
        <i style={{ width: `${total > 0 ? Math.min(100, (100 * used) / total) : 0}%` }} />
      </span>
      <b className="b">{shown(used)}</b> <span className="q">of {shown(total)}</span>
    </span>
  );
}
