/** Where this page was served from: the server's own address with its prefix, ending in a slash. */

export const BASE_URL: URL = new URL(
  typeof document === "undefined" ? "http://localhost/" : document.baseURI,
);

/** The prefix under which the pages lie: "/" or "/team/heliostat/". */
export const BASE_PATH: string = BASE_URL.pathname.endsWith("/")
  ? BASE_URL.pathname
  : `${BASE_URL.pathname}/`;

/** The address of an API route: `apiUrl("/flows/filter")`. */
export function apiUrl(path: string): string {
  return `${BASE_URL.origin}${BASE_PATH}api${path}`;
}

/** The API's address as clients give it. */
export const API_URL: string = `${BASE_URL.origin}${BASE_PATH}api`;
