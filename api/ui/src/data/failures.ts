/** A request that failed, with the server's own words. */

export type FieldProblem = { at: string; text: string };

export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  /** HTTP status; 0 when the server did not answer. */
  readonly status: number;
  /** What was asked: "POST /flow_runs/filter". */
  readonly asked: string;
  readonly body: unknown;

  constructor(status: number, asked: string, text: string, body?: unknown) {
    super(text);
    this.status = status;
    this.asked = asked;
    this.body = body;
  }

  get isGone(): boolean {
    return this.status === 404;
  }

  /** The problems of single fields, where the server names them. */
  get fields(): FieldProblem[] {
    return problemsIn(this.body);
  }
}

type Listed = { loc?: unknown[]; msg?: string };

function problemsIn(body: unknown): FieldProblem[] {
  const list = record(body)["exception_detail"] ?? record(body)["detail"];
  if (!Array.isArray(list)) return [];
  return (list as Listed[])
    .filter((each) => typeof each.msg === "string")
    .map((each) => ({
      at: (each.loc ?? []).filter((part) => part !== "body").join("."),
      text: each.msg ?? "",
    }));
}

/** The sentence that an answer's body says what is wrong with. */
export function textOf(body: unknown, status: number): string {
  const fields = problemsIn(body);
  if (fields.length > 0)
    return fields.map((each) => (each.at ? `${each.at}: ${each.text}` : each.text)).join("; ");
  const found = record(body);
  for (const key of ["detail", "exception_message", "message"]) {
    const text = found[key];
    if (typeof text === "string" && text) return text;
  }
  return status === 0 ? "The server does not answer." : `The server answered ${status}.`;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** The words of any error, for a page. */
export function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
