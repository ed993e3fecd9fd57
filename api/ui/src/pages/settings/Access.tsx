/** Who may ask this server: its password, this browser's session, and what clients set. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { API_URL } from "@/data/base";
import { sessionQuery, signOut } from "@/data/session";
import { useAct } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { Pairs, SectionHead } from "@/parts/page";
import { CommandLine, Loaded } from "@/parts/places";

export function Access() {
  const query = useQuery(sessionQuery);
  const queries = useQueryClient();
  const [going, busy] = useAct();
  const leave = () =>
    void going("Not signed out", async () => {
      await signOut();
      await queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
    });
  return (
    <section aria-label="Access">
      <SectionHead title="Access" />
      <Loaded query={query} what="Who may ask this server" rows={4}>
        {(session) => (
          <>
            <div className="set-note">
              <Pairs
                rows={[
                  [
                    "Password",
                    session.password_wanted ? "set, one for everybody" : "none: whoever reaches it may ask",
                  ],
                  ["Signed in as", session.user ?? <span className="q">nobody in particular</span>],
                  ["Writes need a token", session.csrf_wanted ? "yes" : "no"],
                ]}
              />
              {session.password_wanted && (
                <div className="row">
                  <Button disabled={busy} onClick={leave}>
                    Sign out of this browser
                  </Button>
                  <span className="q">A session ends after seven days, or when the password changes.</span>
                </div>
              )}
            </div>
            <div className="set-note note">
              <span>
                {session.password_wanted
                  ? "Clients, workers and the command line give the password with every request:"
                  : "A password is set where the server is started; everybody who asks then needs it:"}
              </span>
              {!session.password_wanted && (
                <CommandLine command="HELIOSTAT_SERVER_AUTH_STRING=USER:PASSWORD heliostat server start" />
              )}
              <CommandLine
                command={`export HELIOSTAT_API_URL=${API_URL} HELIOSTAT_API_AUTH_STRING=USER:PASSWORD`}
              />
            </div>
          </>
        )}
      </Loaded>
    </section>
  );
}
