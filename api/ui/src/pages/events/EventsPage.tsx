import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Zap } from "lucide-react";
import { useMemo } from "react";
import {
  type Asked,
  type Event,
  eventNamesQuery,
  eventsQuery,
  filterOf,
  pageOf,
  resourceId,
  resourceName,
} from "@/data/events";
import { useUrlState, useUrlStates } from "@/data/urlState";
import { ButtonLink } from "@/parts/Button";
import { Segmented } from "@/parts/choosing";
import { type Column, DataTable } from "@/parts/DataTable";
import { SearchField } from "@/parts/fields";
import { CopyAs } from "@/parts/overlays";
import { Pairs, Title } from "@/parts/page";
import { Empty, Loaded } from "@/parts/places";
import { Time } from "@/parts/Time";
import { Values } from "@/parts/Values";
import { figure } from "@/words/numbers";
import { EventChart } from "./EventChart";
import "./events.css";

const RANGES = [
  { value: "1", text: "1 h" },
  { value: "6", text: "6 h" },
  { value: "24", text: "24 h" },
  { value: "168", text: "7 d" },
] as const;

const COLUMNS: readonly Column<Event>[] = [
  {
    key: "occurred",
    head: "Occurred",
    width: "128px",
    narrow: "below",
    cell: (each) => <Time at={each.occurred} />,
  },
  {
    key: "event",
    head: "Event",
    width: "minmax(200px, 1fr)",
    cell: (each) => (
      <span className="name mono" title={each.event}>
        {each.event}
      </span>
    ),
  },
  {
    key: "resource",
    head: "Resource",
    width: "minmax(160px, 1fr)",
    cell: (each) => <ResourceLink resource={each.resource} />,
  },
  {
    key: "related",
    head: "Related",
    width: "minmax(140px, 1fr)",
    narrow: "hide",
    cell: (each) => <span className="q">{each.related.map(resourceName).slice(0, 4).join(", ")}</span>,
  },
];

function ResourceLink({ resource }: { resource: Record<string, string> }) {
  const to = pageOf(resource);
  const name = resourceName(resource);
  if (!to) return <span title={resourceId(resource)}>{name}</span>;
  return (
    <Link to={to} title={resourceId(resource)}>
      {name}
    </Link>
  );
}

export default function EventsPage() {
  const [words, setWords] = useUrlStates();
  const [hours, setHours] = useUrlState("hours", "1");
  const [open, setOpen] = useUrlState("event");
  const asked: Asked = useMemo(
    () => ({
      hours: Number(hours) || 1,
      name: String(words["name"] ?? ""),
      resource: String(words["resource"] ?? ""),
      text: String(words["q"] ?? ""),
    }),
    [hours, words],
  );
  const query = useInfiniteQuery(eventsQuery(asked));
  const names = useQuery(eventNamesQuery(asked.hours)).data ?? [];
  const events = useMemo(() => query.data?.pages.flatMap((page) => page.events) ?? [], [query.data]);
  const chosen = events.find((each) => each.id === open);
  const range = RANGES.find((each) => each.value === hours)?.value ?? "1";
  return (
    <>
      <Title title="Events" sub={query.data && `${figure(query.data.pages[0]?.total ?? 0)} in this range`}>
        <CopyAs
          commands={{
            cli: `heliostat api POST /events/filter --data '${JSON.stringify({ filter: filterOf(asked, new Date(0)) }).replace(/"occurred":\{[^}]*\},/, "")}'`,
            api: { method: "POST", path: "/events/filter", body: { filter: filterOf(asked) } },
          }}
          json={events}
        />
        <Segmented label="How far back" value={range} choices={RANGES} onChange={setHours} />
      </Title>
      <div className="gbar bt ev-bar">
        <SearchField
          label="Event name, * at its end"
          list="event-names"
          value={asked.name}
          onChange={(event) => setWords({ name: event.target.value || undefined })}
        />
        <datalist id="event-names">
          {names.map((each) => (
            <option key={each.value} value={each.value} />
          ))}
        </datalist>
        <SearchField
          label="Id of a resource, or its beginning"
          value={asked.resource}
          onChange={(event) => setWords({ resource: event.target.value || undefined })}
        />
        <SearchField
          label="Words"
          value={asked.text}
          onChange={(event) => setWords({ q: event.target.value || undefined })}
        />
      </div>
      <EventChart asked={asked} />
      <div className={chosen ? "cols ev-cols bt" : "ev-cols-one bt"}>
        <Loaded query={query} what="The list of events">
          {() =>
            events.length === 0 ? (
              <Empty
                title="No event in this range"
                text="Runs, deployments, pools and your own code tell events when something happens."
              />
            ) : (
              <DataTable
                label="Events"
                rows={events}
                columns={COLUMNS}
                rowKey={(each) => each.id}
                onOpen={(each) => setOpen(each.id)}
                onEnd={() => void (query.hasNextPage && !query.isFetchingNextPage && query.fetchNextPage())}
              />
            )
          }
        </Loaded>
        {chosen && <Detail event={chosen} close={() => setOpen("")} />}
      </div>
    </>
  );
}

function Detail({ event, close }: { event: Event; close: () => void }) {
  return (
    <aside className="ev-detail" aria-label="The event">
      <div className="sec-h">
        <h2 className="cut mono" title={event.event}>
          {event.event}
        </h2>
        <span className="push">
          <ButtonLink
            small
            to="/automations/new"
            search={{ event: event.event, resource: resourceId(event.resource) }}
          >
            <Zap className="i s" /> Automate this
          </ButtonLink>
          <button type="button" className="link" onClick={close}>
            Close
          </button>
        </span>
      </div>
      <div className="ev-pairs">
        <Pairs
          rows={[
            ["Occurred", <Time key="at" at={event.occurred} style="millis" />],
            ["Resource", <ResourceLink key="resource" resource={event.resource} />],
            ...event.related.map(
              (each, at) =>
                [
                  each["prefect.resource.role"] ?? "related",
                  <ResourceLink key={at} resource={each} />,
                ] as const,
            ),
            ["Id", <code key="id">{event.id}</code>],
          ]}
        />
      </div>
      <Values label="Payload" value={event.payload} />
      <Values label="Labels of the resource" value={event.resource} />
    </aside>
  );
}
