/** The layout, out of the way of what the page draws. */

import { layOut, type LayoutInput } from "./layout";

self.addEventListener("message", (event: MessageEvent<{ asked: number; input: LayoutInput }>) => {
  self.postMessage({ asked: event.data.asked, layout: layOut(event.data.input) });
});
