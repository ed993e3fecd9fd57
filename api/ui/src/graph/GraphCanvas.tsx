/** The canvas: draws the chosen view, moves the camera, tells what is under the pointer. */

import { useElementSize } from "@mantine/hooks";
import { select } from "d3-selection";
import { zoom, zoomIdentity, type ZoomBehavior } from "d3-zoom";
import {
  type KeyboardEvent,
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useMemo,
  useRef,
  useState,
} from "react";
import { Dependency } from "./dependency";
import { Pen, readInk } from "./ink";
import { Radar } from "./radar";
import { SvgContext } from "./svgContext";
import { AXIS, gutterOf } from "./lanes";
import { Timeline } from "./timeline";
import { cameraOf, lookOf } from "./look";
import type { Camera, GraphView, Hit, Scene } from "./view";

export type ViewName = "timeline" | "dependency" | "radar";

export type CanvasHandle = {
  zoomBy: (factor: number) => void;
  fit: () => void;
  png: () => Promise<Blob | null>;
  svg: () => Blob;
};

type Props = {
  scene: Omit<Scene, "width" | "height" | "camera" | "theme" | "isMoving">;
  view: ViewName;
  version: number;
  tipOf: (hit: Hit) => string[];
  onSelect: (hit: Hit | null) => void;
  onFold: (group: number) => void;
  onOpen: (row: number) => void;
  onKey: (event: KeyboardEvent) => void;
  /** Where to look at first, as `onLook` told it; undefined for the whole. */
  look: string | undefined;
  onLook: (look: string | undefined) => void;
  onNeeds: (height: number | undefined) => void;
  label: string;
  handle: Ref<CanvasHandle>;
};

const TELL_MS = 400; // the address changes when the reader rests
const REST_MS = 140; // after the last move everything is drawn as sharp as it can be

const VIEWS: Record<ViewName, () => GraphView> = {
  timeline: () => new Timeline(),
  dependency: () => new Dependency(),
  radar: () => new Radar(),
};

export function GraphCanvas({
  scene,
  view,
  version,
  tipOf,
  onSelect,
  onFold,
  onOpen,
  onKey,
  look,
  onLook,
  onNeeds,
  label,
  handle,
}: Props) {
  const { ref: box, width, height } = useElementSize();
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawer = useMemo(() => VIEWS[view](), [view]);
  const camera = useRef<Camera>({ x: 0, y: 0, k: 1 });
  const behavior = useRef<ZoomBehavior<HTMLCanvasElement, unknown> | null>(null);
  const frame = useRef(0);
  const ink = useRef(readInk());
  const [tip, setTip] = useState<{ lines: string[]; x: number; y: number } | null>(null);
  const whole = useMemo<Scene>(
    () => ({ ...scene, width, height, camera: { x: 0, y: 0, k: 1 }, theme: "", isMoving: false }),
    [scene, width, height],
  );
  const newest = useRef(whole);
  const rest = useRef<ReturnType<typeof setTimeout>>(undefined);
  const isMoving = useRef(false);
  const isTouched = useRef(false); // the reader chose where to look
  const telling = useRef<ReturnType<typeof setTimeout>>(undefined);
  const teller = useRef(onLook);
  useEffect(() => {
    teller.current = onLook;
  });
  const tell = useCallback(() => {
    clearTimeout(telling.current);
    telling.current = setTimeout(() => {
      const { width } = newest.current;
      teller.current(isTouched.current ? lookOf(camera.current, width, drawer.scrolls) : undefined);
    }, TELL_MS);
  }, [drawer]);
  useEffect(() => () => clearTimeout(telling.current), []);

  const paint = useCallback(() => {
    frame.current = 0;
    const place = canvas.current;
    const shown = newest.current;
    if (!place || shown.width === 0) return;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    if (
      place.width !== Math.round(shown.width * ratio) ||
      place.height !== Math.round(shown.height * ratio)
    ) {
      place.width = Math.round(shown.width * ratio);
      place.height = Math.round(shown.height * ratio);
    }
    const ctx = place.getContext("2d");
    if (!ctx) return;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = ink.current.face;
    ctx.fillRect(0, 0, shown.width, shown.height);
    const moved = { ...shown, camera: camera.current, isMoving: isMoving.current };
    drawer.draw(moved, new Pen(ctx, ink.current));
  }, [drawer]);
  const ask = useCallback(() => {
    if (frame.current === 0) frame.current = requestAnimationFrame(paint);
  }, [paint]);

  const fonts = useRef(0);
  useEffect(() => {
    newest.current = { ...whole, theme: newest.current.theme };
    drawer.layout(newest.current);
    onNeeds(drawer.needs);
    ask();
  }, [whole, drawer, version, ask, onNeeds]);

  useEffect(() => {
    const renew = () => {
      ink.current = readInk();
      newest.current = {
        ...newest.current,
        theme: `${document.documentElement.dataset["theme"]} ${fonts.current}`,
      };
      ask();
    };
    renew();
    window.addEventListener("themechange", renew);
    void document.fonts.ready.then(() => {
      fonts.current += 1;
      renew();
    });
    return () => window.removeEventListener("themechange", renew);
  }, [ask]);
  useEffect(() => () => cancelAnimationFrame(frame.current), []);

  // Moving and zooming. The timeline's lanes keep their height: up and down moves them, zooming widens time.
  useEffect(() => {
    const place = canvas.current;
    if (!place) return;
    const on = select(place);
    let last = zoomIdentity;
    const moves = zoom<HTMLCanvasElement, unknown>()
      .scaleExtent(drawer.scrolls ? [1, 5_000] : [0.05, 40])
      .filter((event: MouseEvent) => event.button === 0 && !(event.type === "wheel" && event.shiftKey))
      .on("zoom", (event: { transform: typeof zoomIdentity; sourceEvent: Event | null }) => {
        const { x, y, k } = event.transform;
        if (drawer.scrolls) {
          const own = camera.current;
          const dy = k === last.k && event.sourceEvent ? y - last.y : 0;
          const most = (drawer as Timeline).overflow(newest.current);
          const gutter = gutterOf(newest.current); // time begins right of it
          const least = newest.current.width - k * newest.current.width - 40;
          camera.current = {
            k,
            x: Math.min(gutter - gutter * k + 40, Math.max(least, x)),
            y: Math.min(0, Math.max(-most, (event.sourceEvent ? own.y : 0) + dy)),
          };
          last = event.transform;
        } else camera.current = { x, y, k };
        setTip(null);
        if (event.sourceEvent) {
          isTouched.current = true;
          isMoving.current = true;
          clearTimeout(rest.current);
          rest.current = setTimeout(() => {
            isMoving.current = false;
            ask();
          }, REST_MS);
          tell();
        }
        ask();
      });
    behavior.current = moves;
    on.call(moves).on("dblclick.zoom", null);
    const wheel = (event: WheelEvent) => {
      if (!drawer.scrolls || !event.shiftKey) return;
      event.preventDefault();
      const most = (drawer as Timeline).overflow(newest.current);
      camera.current = {
        ...camera.current,
        y: Math.min(0, Math.max(-most, camera.current.y - event.deltaY - event.deltaX)),
      };
      isTouched.current = true;
      tell();
      ask();
    };
    place.addEventListener("wheel", wheel, { passive: false });
    return () => {
      place.removeEventListener("wheel", wheel);
      on.on(".zoom", null);
    };
  }, [drawer, ask, tell]);

  const fit = useCallback(() => {
    const place = canvas.current;
    if (!place || !behavior.current || newest.current.width === 0) return;
    const { x, y, k } = drawer.fit(newest.current);
    select(place).call(behavior.current.transform, zoomIdentity.translate(x, y).scale(k));
  }, [drawer]);
  // The first look shows all; later the reader's own place stays.
  const isReady =
    width > 0 && scene.model.count > 0 && (view !== "dependency" || scene.layout.cards.length > 0);
  const asked = useRef(look);
  useEffect(() => {
    if (!isReady || isTouched.current) return;
    const wanted = asked.current && cameraOf(asked.current, newest.current.width, drawer.scrolls);
    asked.current = undefined;
    if (wanted && canvas.current && behavior.current) {
      isTouched.current = true;
      const { x, y, k } = wanted;
      select(canvas.current).call(behavior.current.transform, zoomIdentity.translate(x, y).scale(k));
      if (drawer.scrolls) camera.current = { ...camera.current, y: Math.min(0, y) };
      ask();
    } else fit();
  }, [isReady, fit, width, height, scene.layout, drawer, ask]);

  useImperativeHandle(
    handle,
    () => ({
      zoomBy: (factor) => {
        isTouched.current = true;
        if (canvas.current && behavior.current) select(canvas.current).call(behavior.current.scaleBy, factor);
        tell();
      },
      fit: () => {
        isTouched.current = false;
        fit();
        tell();
      },
      svg: () => {
        const context = new SvgContext();
        const shown = newest.current;
        drawer.draw(
          { ...shown, camera: camera.current },
          new Pen(context as unknown as CanvasRenderingContext2D, ink.current),
        );
        return new Blob([context.document(shown.width, shown.height, ink.current.face)], {
          type: "image/svg+xml",
        });
      },
      png: () => new Promise((resolve) => (canvas.current ? canvas.current.toBlob(resolve) : resolve(null))),
    }),
    [fit, drawer, tell],
  );

  const gutter = () => (drawer instanceof Timeline ? gutterOf(newest.current) : 0);
  const at = (event: { nativeEvent: { offsetX: number; offsetY: number } }) =>
    drawer.hit(
      { ...newest.current, camera: camera.current },
      event.nativeEvent.offsetX,
      event.nativeEvent.offsetY,
    );
  return (
    <div className="cv" ref={box}>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="img"
        aria-label={label}
        aria-describedby="graph-said"
        style={{ width, height }}
        onKeyDown={onKey}
        onClick={(event) => {
          const hit = at(event);
          if (hit?.act === "fold" && hit.group !== undefined) onFold(hit.group);
          else onSelect(hit);
        }}
        onDoubleClick={(event) => {
          const hit = at(event);
          if (hit?.row !== undefined && (view !== "timeline" || event.nativeEvent.offsetX > gutter()))
            onOpen(hit.row);
          else if (hit?.group !== undefined) onFold(hit.group);
        }}
        onPointerMove={(event) => {
          if (event.buttons) return;
          const { offsetX, offsetY } = event.nativeEvent;
          const hit = view === "timeline" && (offsetX < gutter() || offsetY < AXIS) ? null : at(event);
          setTip(hit ? { lines: tipOf(hit), x: offsetX, y: offsetY } : null);
        }}
        onPointerLeave={() => setTip(null)}
      />
      {tip && (
        <div
          className="gtip"
          style={{
            left: Math.min(tip.x + 14, Math.max(0, width - 260)),
            top: Math.min(tip.y + 14, Math.max(0, height - 24 - tip.lines.length * 17)),
          }}
        >
          {tip.lines.map((line, index) => (
            <div key={index} className={index === 0 ? "b" : "m"}>
              {line}
            </div>
          ))}
        </div>
      )}
    </div>
  );
}
