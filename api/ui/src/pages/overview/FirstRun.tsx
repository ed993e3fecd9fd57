/** What an empty server shows: the axis that already runs, and three steps. */

import { useQuery } from "@tanstack/react-query";
import { API_URL } from "@/data/base";
import { get } from "@/data/client";
import { CommandLine } from "@/parts/places";

const FLOW = `# words.py
from pathlib import Path
from heliostat import flow, task

@task
def count_words(path: Path) -> int:
    return len(path.read_text(errors="replace").split())

@flow(log_prints=True)
def words(folder: Path = Path(".")):
    counts = count_words.map(sorted(folder.glob("**/*.py")))
    print(sum(counts.result()), "words")

if __name__ == "__main__":
    words()`;

export function FirstRun() {
  const version = useQuery({
    queryKey: ["version"],
    queryFn: () => get<string>("/admin/version"),
    staleTime: Infinity,
  });
  return (
    <section aria-label="First steps">
      <ol className="steps">
        <li>
          <h2>Let your Python speak to this server</h2>
          <p className="m">Once in a shell, on any machine that reaches this address.</p>
          <CommandLine command={`heliostat config set api_url=${API_URL}`} />
        </li>
        <li>
          <h2>Run a flow</h2>
          <p className="m">Plain Python. Each call of a task becomes a row here while it runs.</p>
          <pre className="code" tabIndex={0}>
            {FLOW}
          </pre>
          <CommandLine command="python words.py" />
        </li>
        <li>
          <h2>Let the server run it</h2>
          <p className="m">A deployment is started by a schedule, from this page, or over the API.</p>
          <CommandLine command="heliostat deploy words.py:words --name hourly --cron '0 * * * *'" />
        </li>
      </ol>
      <p className="first-note">
        Or see it at work on thousands of real files: <code>heliostat demo</code>
        {version.data && <span className="q">. This server speaks version {version.data}.</span>}
      </p>
    </section>
  );
}
