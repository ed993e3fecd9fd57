/** A server that was updated has other files than an open page knows: the page is loaded anew, once. */

const KEY = "heliostat.reloaded-at";
const AGAIN_MS = 30_000;

export function reloadWhenRenewed(): void {
  window.addEventListener("vite:preloadError", () => {
    const last = Number(sessionStorage.getItem(KEY) ?? 0);
    if (Date.now() - last < AGAIN_MS) return; // that did not help: the page tells the error
    sessionStorage.setItem(KEY, String(Date.now()));
    window.location.reload();
  });
}
