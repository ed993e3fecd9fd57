import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { post } from "@/data/client";
import type { Values } from "@/data/deployments";
import type { Usual } from "@/data/usual";
import type { PlacedProblem } from "@/parts/form/compare";

export type Reason = {
  code: string;
  text: string;
  since: string | null;
  hint: string | null;
  holders: { id: string; name: string; state_name: string }[];
};

export type Outlook = {
  due_at: string | null;
  reasons: Reason[];
  queue: {
    pool: string;
    queue: string;
    exists: boolean;
    limit: number | null;
    pool_limit: number | null;
    at_work: number;
    ahead: number;
  } | null;
  usual: Usual | null;
  same_key: { id: string; name: string } | null;
  at_work: { id: string; name: string; state_name: string; start_time: string | null }[];
  limit: number | null;
};

type Answer = { problems: PlacedProblem[]; outlook: Outlook | null };

const AFTER_MS = 250;
const NONE: readonly PlacedProblem[] = [];

export type RunCheck = {
  parameters: readonly PlacedProblem[];
  job: readonly PlacedProblem[];
  /** Of the request itself: a key, a queue, tags. */
  others: readonly PlacedProblem[];
  outlook: Outlook | null;
  /** The answer is about the run as it is now. */
  isFresh: boolean;
  at: number;
  error: unknown;
};

const under = (problems: readonly PlacedProblem[], place: string) =>
  problems.filter((each) => each.path[0] === place).map((each) => ({ ...each, path: each.path.slice(1) }));

/** What the server says of a run before it is made, asked a moment after the last change. */
export function useRunCheck(deployment: string, body: Values): RunCheck {
  const text = JSON.stringify(body);
  const [asked] = useDebouncedValue(text, AFTER_MS);
  const query = useQuery({
    queryKey: ["run check", deployment, asked],
    queryFn: ({ signal }) =>
      post<Answer>(`/heliostat/deployments/${deployment}/check_run`, JSON.parse(asked), { signal }),
    refetchInterval: 5_000,
    gcTime: 60_000,
  });
  const problems = query.data?.problems ?? NONE;
  return {
    parameters: under(problems, "parameters"),
    job: under(problems, "job_variables"),
    others: problems.filter((each) => each.path[0] !== "parameters" && each.path[0] !== "job_variables"),
    outlook: query.data?.outlook ?? null,
    isFresh: asked === text && !query.isPlaceholderData && query.data !== undefined,
    at: query.dataUpdatedAt,
    error: query.error,
  };
}
