import { Link, useRouterState } from "@tanstack/react-router";
import { Menu as MenuIcon } from "lucide-react";
import { useNavCounts } from "@/data/counts";
import { figure } from "@/words/numbers";
import { ClusterFoot, HealthDot } from "./ClusterFoot";
import { isIn, PHONE_PLACES, PLACES, type Place, SETTINGS, GROUPS } from "./places";

/** The sign of Heliostat: a mirror, its beam and the sun. */
export function Sign() {
  return (
    <svg viewBox="0 0 22 22" aria-hidden="true">
      <path d="M3.2 9.6 10 16.4" stroke="var(--ink)" strokeWidth="3.4" strokeLinecap="round" />
      <path
        d="M6.9 12.7 14.2 7.4M6.9 12.7V3.4"
        stroke="var(--ink)"
        strokeWidth="1.3"
        strokeLinecap="round"
        opacity=".55"
      />
      <circle cx="16.4" cy="5.6" r="3.4" fill="var(--sun)" />
      <path d="M6.6 16v3.4M3.8 19.4h5.6" stroke="var(--ink)" strokeWidth="1.7" strokeLinecap="round" />
    </svg>
  );
}

export function Navigation() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  return (
    <nav className="nav" aria-label="Main">
      <div className="brand">
        <Sign />
        <span className="label">Heliostat</span>
      </div>
      {GROUPS.map((group) => (
        <div key={group.title}>
          {group.title && <h2>{group.title}</h2>}
          {group.places.map((place) => (
            <PlaceLink key={place.to} place={place} here={isIn(path, place.to)} />
          ))}
        </div>
      ))}
      <div className="foot">
        <ClusterFoot />
        <Link to={SETTINGS.to} className="row foot-link" aria-label={SETTINGS.text}>
          <SETTINGS.icon className="i" /> <span className="label grow">{SETTINGS.text}</span>
          <HealthDot />
        </Link>
      </div>
    </nav>
  );
}

function PlaceLink({ place, here }: { place: Place; here: boolean }) {
  const counts = useNavCounts();
  const found = place.count ? counts[place.count] : undefined;
  const tone = found?.tone ? ` ${found.tone}` : "";
  return (
    <Link to={place.to} aria-current={here ? "page" : undefined} activeProps={{}} title={place.text}>
      <place.icon className="i" />
      <span className="label">{place.text}</span>
      {found && found.count > 0 && (
        <span className={`n${tone}`} aria-label={found.label}>
          {figure(found.count)}
        </span>
      )}
    </Link>
  );
}

/** The bar of a phone: four places, and the palette for all others. */
export function TabBar({ openPalette }: { openPalette: () => void }) {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const places = PLACES.filter((place) => PHONE_PLACES.includes(place.to));
  return (
    <nav className="tabbar" aria-label="Main, on a narrow screen">
      {places.map((place) => (
        <Link
          key={place.to}
          to={place.to}
          aria-current={isIn(path, place.to) ? "page" : undefined}
          activeProps={{}}
        >
          <place.icon className="i" /> {place.text}
        </Link>
      ))}
      <button type="button" onClick={openPalette}>
        <MenuIcon className="i" /> More
      </button>
    </nav>
  );
}
