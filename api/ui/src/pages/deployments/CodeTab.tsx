/** The versions of the code that ran, and the source of the one that is chosen. */

import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { fileOf, fileQuery, filesQuery, type Version, versionsQuery } from "@/data/code";
import { API_URL } from "@/data/base";
import { useUrlStates } from "@/data/urlState";
import { SectionHead } from "@/parts/page";
import { Loaded, Skeleton } from "@/parts/places";
import { Ago } from "@/parts/Time";
import { bytes, counted, figure, percent } from "@/words/numbers";

const CodeEditor = lazy(() => import("@/parts/form/CodeEditor"));

type Props = {
  of: "flows" | "deployments";
  id: string;
  entrypoint: string | null;
  /** What would run now; undefined where several deployments may differ. */
  revision?: string | null;
};

export function CodeTab({ of, id, entrypoint, revision }: Props) {
  const query = useQuery(versionsQuery(of, id));
  const [words, setWords] = useUrlStates();
  const newest = query.data?.find((each) => each.code_revision)?.code_revision;
  const asked = typeof words["code"] === "string" ? words["code"] : undefined;
  const shown = asked ?? revision ?? newest ?? null;
  return (
    <>
      <Loaded query={query} what="The versions that ran" rows={3}>
        {(versions) =>
          versions.length === 0 ? (
            <p className="note dep-none">No run has begun yet, so no version has run.</p>
          ) : (
            <Versions
              versions={versions}
              shown={shown}
              show={(code) => setWords({ code, file: undefined })}
              current={revision ?? null}
            />
          )
        }
      </Loaded>
      {shown ? (
        <Source revision={shown} entrypoint={entrypoint} />
      ) : (
        <p className="note dep-none">
          {entrypoint ? `Runs begin in ${entrypoint}. ` : ""}The code did not come through the server, so it
          is not shown here.
        </p>
      )}
    </>
  );
}

function Versions({
  versions,
  shown,
  show,
  current,
}: {
  versions: Version[];
  shown: string | null;
  show: (revision: string) => void;
  current: string | null;
}) {
  return (
    <table className="tbl">
      <caption className="sr">Versions that ran</caption>
      <thead>
        <tr>
          <th>Version</th>
          <th>Code</th>
          <th className="r">Runs</th>
          <th className="r">Failed</th>
          <th className="r">First run</th>
          <th className="r">Last run</th>
        </tr>
      </thead>
      <tbody>
        {versions.map(({ version, code_revision: code, runs, failed, first, last }) => (
          <tr key={`${version} ${code}`} aria-current={code !== null && code === shown ? "true" : undefined}>
            <td className="name" title={version ?? undefined}>
              {version?.slice(0, 40) ?? <span className="q">not named</span>}
            </td>
            <td className="mono">
              {code ? (
                <button type="button" className="link" title={code} onClick={() => show(code)}>
                  {code.slice(0, 12)}
                </button>
              ) : (
                <span className="q">elsewhere</span>
              )}
              {code !== null && code === current && <span className="q"> deployed now</span>}
            </td>
            <td className="r">{figure(runs)}</td>
            <td className={failed > 0 ? "r t-failed" : "r q"}>
              {failed > 0 ? `${figure(failed)}, ${percent(failed, runs)}` : "none"}
            </td>
            <td className="r q">
              <Ago at={first} />
            </td>
            <td className="r q">
              <Ago at={last} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Source({ revision, entrypoint }: { revision: string; entrypoint: string | null }) {
  const query = useQuery(filesQuery(revision));
  const [words, setWords] = useUrlStates();
  const files = query.data ?? [];
  const wanted = typeof words["file"] === "string" ? words["file"] : fileOf(entrypoint);
  const file =
    files.find((each) => each.path === wanted) ??
    files.find((each) => wanted !== null && each.path.endsWith(`/${wanted}`)) ??
    files.find((each) => each.path.endsWith(".py")) ??
    files[0];
  return (
    <section aria-label="Source">
      <SectionHead title="Source" count={query.data ? counted(files.length, "file") : undefined}>
        <a
          className="link"
          href={`${API_URL}/heliostat/code-packages/${revision}`}
          download={`${revision.slice(0, 12)}.zip`}
        >
          Download
        </a>
      </SectionHead>
      <Loaded query={query} what="The files of this version" rows={4}>
        {() => (
          <div className="code-files">
            <ul aria-label="Files">
              {files.map((each) => (
                <li key={each.path}>
                  <button
                    type="button"
                    className="cut"
                    aria-pressed={each === file}
                    title={`${each.path}, ${bytes(each.size_bytes)}`}
                    onClick={() => setWords({ file: each.path })}
                  >
                    {each.path}
                  </button>
                </li>
              ))}
            </ul>
            {file && <Text revision={revision} path={file.path} />}
          </div>
        )}
      </Loaded>
    </section>
  );
}

function Text({ revision, path }: { revision: string; path: string }) {
  const kind = path.endsWith(".py") ? "python" : path.endsWith(".json") ? "json" : "text";
  return (
    <Loaded query={useQuery(fileQuery(revision, path))} what={path} rows={6}>
      {(text) => (
        <Suspense fallback={<Skeleton rows={6} />}>
          <CodeEditor key={path} kind={kind} text={text} label={path} readOnly height="420px" />
        </Suspense>
      )}
    </Loaded>
  );
}
