/** Whether the server wants a password, and whether this browser has given it. */

import { queryOptions } from "@tanstack/react-query";
import { get, post, remove, wantCsrf } from "./client";
import { ApiFailure } from "./failures";

export type Session = {
  password_wanted: boolean;
  signed_in: boolean;
  csrf_wanted: boolean;
  user?: string | null;
};

const OPEN: Session = { password_wanted: false, signed_in: true, csrf_wanted: false };

async function read(): Promise<Session> {
  try {
    const found = await get<Session>("/heliostat/session");
    wantCsrf(found.csrf_wanted);
    return found;
  } catch (error) {
    if (error instanceof ApiFailure && error.isGone) return OPEN;
    throw error;
  }
}

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: read,
  staleTime: Infinity,
  retry: 2,
});

export const signIn = (user: string, password: string) =>
  post<Session>("/heliostat/session", { user, password });
export const signOut = () => remove<undefined>("/heliostat/session");
