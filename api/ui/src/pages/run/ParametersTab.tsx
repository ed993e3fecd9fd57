import { useQuery } from "@tanstack/react-query";
import { deploymentQuery, type RunDetails } from "@/data/oneRun";
import { brief, differences } from "@/parts/form/compare";
import { SectionHead } from "@/parts/page";
import { Empty } from "@/parts/places";
import { Values } from "@/parts/Values";

export default function ParametersTab({ run }: { run: RunDetails }) {
  const deployment = useQuery(deploymentQuery(run.deployment_id)).data;
  const changed = deployment ? differences(deployment.parameters, run.parameters) : [];
  if (Object.keys(run.parameters).length === 0)
    return <Empty title="No parameters" text="The flow was called without any." />;
  return (
    <>
      {deployment && (
        <>
          <SectionHead title="Different from the deployment" count={changed.length || "none"} />
          {changed.length > 0 && (
            <table className="tbl flat">
              <thead>
                <tr>
                  <th>Parameter</th>
                  <th>Deployment</th>
                  <th>This run</th>
                </tr>
              </thead>
              <tbody>
                {changed.map((each) => (
                  <tr key={each.name}>
                    <td className="mono">{each.name}</td>
                    <td className="m">{each.was === undefined ? "none" : brief(each.was, 200)}</td>
                    <td>{each.is === undefined ? "none" : brief(each.is, 200)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </>
      )}
      <SectionHead title="Parameters" count={Object.keys(run.parameters).length} />
      <Values value={run.parameters} label="Parameters" />
    </>
  );
}
