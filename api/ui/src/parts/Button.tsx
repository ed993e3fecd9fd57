import { Link } from "@tanstack/react-router";
import type { ComponentProps, ReactNode } from "react";

type Look = {
  /** The one action that starts work on this page. */
  sun?: boolean;
  danger?: boolean;
  quiet?: boolean;
  small?: boolean;
  icon?: boolean;
  pressed?: boolean;
  /** The name for readers of the screen, and the hover; needed where only an icon is shown. */
  label?: string;
};

function classes({ sun, danger, quiet, small, icon }: Look): string {
  return ["btn", sun && "sun", danger && "danger", quiet && "quiet", small && "small", icon && "icon"]
    .filter(Boolean)
    .join(" ");
}

export function Button({
  sun,
  danger,
  quiet,
  small,
  icon,
  pressed,
  label,
  ...rest
}: Look & Omit<ComponentProps<"button">, "className">) {
  return (
    <button
      type="button"
      className={classes({ sun, danger, quiet, small, icon })}
      aria-pressed={pressed}
      aria-label={label}
      title={label}
      {...rest}
    />
  );
}

/** A link to a page that looks like a button. */
export function ButtonLink({
  to,
  search,
  label,
  children,
  ...look
}: Look & { to: string; search?: Record<string, unknown>; children: ReactNode }) {
  return (
    <Link to={to} search={search as never} className={classes(look)} aria-label={label} title={label}>
      {children}
    </Link>
  );
}
