/** Counts, sizes and durations as people read them. */

const WHOLE = new Intl.NumberFormat("en-GB");
const SHORT = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });

/** 9,193; nothing is "none". */
export function count(value: number): string {
  return value === 0 ? "none" : WHOLE.format(value);
}

/** 9,193, and 0 for nothing: where figures stand below each other. */
export function figure(value: number): string {
  return WHOLE.format(value);
}

/** 1.84 M, 2.3 k, 214. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 999_950_000) return `${SHORT.format(value / 1e9)} G`;
  if (size >= 999_950) return `${(value / 1e6).toFixed(size < 9_995_000 ? 2 : 1)} M`;
  if (size >= 10_000) return `${SHORT.format(value / 1e3)} k`;
  return SHORT.format(value);
}

/** 1.8 MB. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let at = 0;
  let size = value;
  while (size >= 999.5 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${size < 10 && at > 0 ? size.toFixed(1) : Math.round(size)} ${units[at] ?? "B"}`;
}

/** "1 run", "12 runs". */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${WHOLE.format(value)} ${value === 1 ? one : many}`;
}

/** 12 ms, 3.4 s, 3 m 12 s, 1 h 26 m, 5 d 3 h: two units at most. */
export function duration(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s === 0) return "0 s";
  if (s < 0.0995) return `${s < 0.00095 ? (s * 1000).toFixed(1) : Math.round(s * 1000)} ms`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 59.5) return `${Math.round(s)} s`;
  if (s < 3599.5) {
    const whole = Math.round(s);
    return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, "0")} s`;
  }
  if (s < 86_370) {
    const minutes = Math.round(s / 60);
    return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} m`;
  }
  const hours = Math.round(s / 3600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The same in its largest unit alone: 12 m, 3 h, 5 d. For ages in lists. */
export function age(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 59.5) return `${Math.round(s)} s`;
  if (s < 3570) return `${Math.round(s / 60)} m`;
  if (s < 84_600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return "";
  const value = (100 * part) / whole;
  if (value > 0 && value < 1) return `${value.toFixed(1)} %`;
  if (value > 99 && value < 100) return `${Math.floor(value * 10) / 10} %`;
  return `${Math.round(value)} %`;
}
