/** The frame around every page, and the door before it where a password is wanted. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Outlet, useRouterState } from "@tanstack/react-router";
import { type MouseEvent, useCallback, useEffect, useState } from "react";
import { whenLocked } from "@/data/client";
import { sessionQuery, signOut } from "@/data/session";
import { useLiveCache, useLiveStatus } from "@/data/useLive";
import { Failure } from "@/parts/places";
import { Toasts } from "@/parts/Toasts";
import { KeysHelp } from "./KeysHelp";
import { useKeys } from "./keys";
import { Login } from "./Login";
import { Navigation, TabBar } from "./Navigation";
import { Palette } from "./Palette";
import { TopBar } from "./TopBar";

export function App() {
  const session = useQuery(sessionQuery);
  const queries = useQueryClient();
  useEffect(
    () => whenLocked(() => void queries.invalidateQueries({ queryKey: sessionQuery.queryKey })),
    [queries],
  );
  if (session.error && !session.data)
    return <Failure what="The server" error={session.error} retry={() => void session.refetch()} />;
  if (!session.data) return null;
  if (session.data.password_wanted && !session.data.signed_in) return <Login />;
  return <Framed mayLeave={session.data.password_wanted} />;
}

function Framed({ mayLeave }: { mayLeave: boolean }) {
  const [palette, setPalette] = useState(false);
  const [keys, setKeys] = useState(false);
  const openPalette = useCallback(() => setPalette(true), []);
  const openKeys = useCallback(() => setKeys(true), []);
  useLiveCache();
  useKeys({ openPalette, openKeys });
  // A new page forgets all that this one has read.
  const leave = () => void signOut().then(() => window.location.reload());
  return (
    <div className="app">
      <a className="skip" href="#page" onClick={skip}>
        Skip to the page
      </a>
      <Navigation />
      <div className="main">
        <TopBar openPalette={openPalette} openKeys={openKeys} leave={mayLeave ? leave : undefined} />
        <Page />
      </div>
      <TabBar openPalette={openPalette} />
      <Palette open={palette} onClose={() => setPalette(false)} />
      <KeysHelp open={keys} onClose={() => setKeys(false)} />
      <Toasts />
    </div>
  );
}

/** The page has a base address, from which "#page" would lead to the overview. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("page")?.focus();
}

function Page() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  return (
    <main className="page" id="page" tabIndex={-1} key={path}>
      <Lost />
      <Outlet />
    </main>
  );
}

/** A strip while the connection is away: what is shown stays, and says of when it is. */
function Lost() {
  const status = useLiveStatus();
  if (status.kind !== "reconnecting") return null;
  return (
    <div className="strip k-late t-l" role="status">
      <span className="dot hollow" /> <b className="b">Connection lost</b>
      <span className="m">
        what you see is as of {new Date(status.since).toLocaleTimeString()}; it is tried again by itself
      </span>
    </div>
  );
}
