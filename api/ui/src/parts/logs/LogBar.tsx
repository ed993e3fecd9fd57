/** What stands above log lines: search, level, following, wrapping, download. */

import { ArrowDownToLine, Download, WrapText } from "lucide-react";
import type { ReactNode } from "react";
import { setPreferences, usePreferences } from "@/data/preferences";
import { Button } from "../Button";
import { Segmented } from "../choosing";
import { SearchField } from "../fields";

export type LogLevel = "all" | "warnings" | "errors";
export const LEVEL_MIN: Readonly<Record<LogLevel, number>> = { all: 0, warnings: 30, errors: 40 };

export function LogBar({
  search,
  onSearch,
  level,
  onLevel,
  following,
  onFollow,
  download,
  children,
}: {
  search: string;
  onSearch: (text: string) => void;
  level: LogLevel;
  onLevel: (level: LogLevel) => void;
  following?: boolean;
  onFollow?: (on: boolean) => void;
  /** The address of the whole log as a file, or what makes one. */
  download?: string | (() => void);
  children?: ReactNode;
}) {
  const { wrapLogs } = usePreferences();
  return (
    <div className="gbar logbar">
      <SearchField
        label="Search these lines"
        placeholder="Text or /pattern/"
        value={search}
        onChange={(event) => onSearch(event.target.value)}
      />
      <Segmented
        small
        label="Level"
        value={level}
        onChange={onLevel}
        choices={[
          { value: "all", text: "All" },
          { value: "warnings", text: "Warnings" },
          { value: "errors", text: "Errors" },
        ]}
      />
      {children}
      <span className="push row gap1">
        {onFollow && (
          <Button small pressed={following} onClick={() => onFollow(!following)}>
            <ArrowDownToLine className="i s" /> Follow
          </Button>
        )}
        <Button
          small
          icon
          label="Wrap lines"
          pressed={wrapLogs}
          onClick={() => setPreferences({ wrapLogs: !wrapLogs })}
        >
          <WrapText className="i s" />
        </Button>
        {typeof download === "string" && (
          <a
            className="btn small icon"
            href={download}
            download
            aria-label="Download all lines"
            title="Download all lines"
          >
            <Download className="i s" />
          </a>
        )}
        {typeof download === "function" && (
          <Button small icon label="Download these lines" onClick={download}>
            <Download className="i s" />
          </Button>
        )}
      </span>
    </div>
  );
}
