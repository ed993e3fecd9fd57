/** How the server is: its services, its database, its documents. */

import { useQuery } from "@tanstack/react-query";
import { API_URL, apiUrl, BASE_PATH } from "@/data/base";
import { type Condition, conditionQuery, type Service } from "@/data/condition";
import { Fact, Facts, SectionHead } from "@/parts/page";
import { CommandLine, Loaded } from "@/parts/places";
import { Ago } from "@/parts/Time";
import { bytes, duration } from "@/words/numbers";

export function Health() {
  const query = useQuery(conditionQuery);
  return (
    <Loaded query={query} what="The server's health">
      {(condition) => (
        <>
          <Facts>
            <Fact name="Heliostat">{condition.version}</Fact>
            <Fact name="Database">
              {condition.database.kind} {condition.database.version}
            </Fact>
            <Fact name="Answers in">{duration(condition.database.answers_in_s)}</Fact>
            {condition.database.size_bytes !== null && (
              <Fact name="Size">{bytes(condition.database.size_bytes)}</Fact>
            )}
            <Fact name="Tables">version {condition.database.schema_version}</Fact>
            <Fact name="API">
              <code>{API_URL}</code>
            </Fact>
          </Facts>
          <Services condition={condition} />
          <Documents condition={condition} />
        </>
      )}
    </Loaded>
  );
}

function Services({ condition }: { condition: Condition }) {
  const still = condition.services.filter((each) => !each.process?.running);
  return (
    <section aria-label="Services">
      <SectionHead
        title="Services"
        count={`${condition.services.length - still.length} of ${condition.services.length} at work`}
      />
      {still.length > 0 && (
        <div className="set-note">
          <p className="m">A server or a process of its own carries them out.</p>
          <CommandLine
            command={`heliostat server start --services ${still.map((each) => each.name).join(",")}`}
          />
        </div>
      )}
      {condition.services.map((each) => (
        <ServiceLine key={each.name} service={each} />
      ))}
    </section>
  );
}

function ServiceLine({ service }: { service: Service }) {
  const { process } = service;
  return (
    <div className="set-service">
      <span className={process?.running ? "dot k-completed" : "dot hollow k-late"} />
      <b className="b mono">{service.name}</b>
      <span className="m cut" title={service.does}>
        {service.does}
      </span>
      <span className="q cut">
        {process ? `process ${process.pid} on ${process.host}` : "no process"}
        {process && !process.running && (
          <>
            , silent since <Ago at={process.last_beat} />
          </>
        )}
      </span>
    </div>
  );
}

function Documents({ condition }: { condition: Condition }) {
  return (
    <section aria-label="Documents">
      <SectionHead title="Documents of the API" />
      <div className="set-note row">
        <a className="btn" href={`${BASE_PATH}docs`}>
          Swagger
        </a>
        <a className="btn" href={`${BASE_PATH}redoc`}>
          ReDoc
        </a>
        <a className="btn" href={`${BASE_PATH}openapi.json`}>
          openapi.json
        </a>
        <a className="btn" href={apiUrl("/health")}>
          Health
        </a>
      </div>
      <p className="set-note note">
        <span>
          The database is at <code>{condition.database.url}</code>
        </span>
      </p>
    </section>
  );
}
