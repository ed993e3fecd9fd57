/** Requests to the server: typed by its own description where that is exact, by the caller elsewhere. */

import createClient from "openapi-fetch";
import { API_URL } from "./base";
import { ApiFailure, textOf } from "./failures";
import type { components, paths } from "./openapi";

export type Schemas = components["schemas"];

const CSRF_CLIENT = crypto.randomUUID();
const WRITES = new Set(["POST", "PUT", "PATCH", "DELETE"]);

let token: { value: string; until: number } | null = null;
let csrfWanted = false;
const onLocked = new Set<() => void>();

/** Called when the server asks who is there: a session that ended, or none yet. */
export function whenLocked(listener: () => void): () => void {
  onLocked.add(listener);
  return () => onLocked.delete(listener);
}

/** Whether writes carry a token, as the server's settings say. */
export function wantCsrf(wanted: boolean): void {
  csrfWanted = wanted;
}

async function csrfToken(): Promise<string> {
  if (token && token.until > Date.now() + 30_000) return token.value;
  const answer = await fetch(`${API_URL}/csrf-token?client=${CSRF_CLIENT}`, { credentials: "same-origin" });
  if (!answer.ok) throw new ApiFailure(answer.status, "GET /csrf-token", "No token for writing was given.");
  const given = (await answer.json()) as { token: string; expiration: string };
  token = { value: given.token, until: Date.parse(given.expiration) };
  return token.value;
}

async function send(request: Request): Promise<Response> {
  if (csrfWanted && WRITES.has(request.method)) {
    request.headers.set("Prefect-Csrf-Token", await csrfToken());
    request.headers.set("Prefect-Csrf-Client", CSRF_CLIENT);
  }
  const asked = `${request.method} ${request.url.slice(API_URL.length)}`;
  let answer: Response;
  try {
    answer = await fetch(request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiFailure(0, asked, "The server does not answer.");
  }
  if (answer.status === 401) onLocked.forEach((listener) => listener());
  if (!answer.ok) {
    const body: unknown = await answer.json().catch(() => null);
    throw new ApiFailure(answer.status, asked, textOf(body, answer.status), body);
  }
  return answer;
}

/** The typed client: `(await api.POST("/api/flows/filter", { body })).data`. Failures are thrown. */
export const api = createClient<paths>({ baseUrl: API_URL.slice(0, -"/api".length), fetch: send });

type Ask = { body?: unknown; query?: Record<string, unknown>; signal?: AbortSignal };

/** Ask a route by its address under /api and read its JSON; throws ApiFailure. */
export async function ask<T>(method: string, path: string, { body, query, signal }: Ask = {}): Promise<T> {
  const answer = await askRaw(method, path, { body, query, signal });
  if (answer.status === 204) return undefined as T;
  const text = await answer.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

/** The same for an answer that is not JSON. */
export async function askRaw(
  method: string,
  path: string,
  { body, query, signal }: Ask = {},
): Promise<Response> {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === null) continue;
    for (const each of Array.isArray(value) ? value : [value]) words.append(name, String(each));
  }
  const tail = words.size > 0 ? `?${words.toString()}` : "";
  const headers: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
  return send(
    new Request(`${API_URL}${path}${tail}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
      credentials: "same-origin",
    }),
  );
}

export const get = <T>(path: string, options?: Omit<Ask, "body">) => ask<T>("GET", path, options);
export const post = <T>(path: string, body: unknown = {}, options?: Omit<Ask, "body">) =>
  ask<T>("POST", path, { ...options, body });
export const patch = <T>(path: string, body: unknown) => ask<T>("PATCH", path, { body });
export const put = <T>(path: string, body: unknown) => ask<T>("PUT", path, { body });
export const remove = <T>(path: string) => ask<T>("DELETE", path);
