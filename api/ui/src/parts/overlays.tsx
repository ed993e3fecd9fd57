/** Menus, dialogs and tips: the kit's behaviour, our look. */

import { Menu as KitMenu, Modal, Tooltip } from "@mantine/core";
import { ChevronDown, Copy } from "lucide-react";
import { type ReactNode, useState } from "react";
import { API_URL } from "@/data/base";
import { said } from "@/data/failures";
import { Button } from "./Button";
import { copy } from "./copying";
import { StateGlyph } from "./StateGlyph";

export function Tip({ text, children }: { text: string; children: React.ReactElement }) {
  return (
    <Tooltip label={text} classNames={{ tooltip: "m-tip" }} openDelay={300} multiline>
      {children}
    </Tooltip>
  );
}

export type MenuItem = {
  text: string;
  icon?: ReactNode;
  danger?: boolean;
  disabled?: boolean;
  act: () => void;
};

export function Menu({
  button,
  items,
  label,
}: {
  button: React.ReactElement;
  items: readonly MenuItem[];
  label: string;
}) {
  return (
    <KitMenu
      position="bottom-end"
      offset={4}
      classNames={{ dropdown: "m-menu" }}
      aria-label={label}
      withinPortal
    >
      <KitMenu.Target>{button}</KitMenu.Target>
      <KitMenu.Dropdown>
        {items.map((item) => (
          <KitMenu.Item
            key={item.text}
            className={item.danger ? "m-menu-item danger" : "m-menu-item"}
            leftSection={item.icon}
            disabled={item.disabled}
            onClick={item.act}
          >
            {item.text}
          </KitMenu.Item>
        ))}
      </KitMenu.Dropdown>
    </KitMenu>
  );
}

/** The same request in three languages; what is left out is not offered. */
export type Commands = {
  cli?: string;
  python?: string;
  api?: { method: string; path: string; body?: unknown };
};

export function curlOf({ method, path, body }: { method: string; path: string; body?: unknown }): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const data =
    body === undefined ? "" : ` -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(body))}`;
  return `curl -X ${method} ${quoted(`${API_URL}${path}`)}${data}`;
}

export function CopyAs({
  commands,
  json,
  small = false,
}: {
  commands: Commands;
  json?: unknown;
  small?: boolean;
}) {
  const items: MenuItem[] = [];
  if (commands.cli) items.push({ text: "Command line", act: () => void copy(commands.cli ?? "", "Command") });
  if (commands.api) {
    const request = commands.api;
    items.push({ text: "curl", act: () => void copy(curlOf(request), "Command") });
  }
  if (commands.python) items.push({ text: "Python", act: () => void copy(commands.python ?? "", "Python") });
  if (json !== undefined)
    items.push({ text: "JSON", act: () => void copy(JSON.stringify(json, null, 2), "JSON") });
  return (
    <Menu
      label="Copy as"
      items={items}
      button={
        <button type="button" className={small ? "btn small" : "btn"}>
          <Copy className="i" /> Copy as <ChevronDown className="i s" />
        </button>
      }
    />
  );
}

export function Dialog({
  open,
  title,
  onClose,
  size = 460,
  children,
}: {
  open: boolean;
  title: string;
  onClose: () => void;
  size?: number;
  children: ReactNode;
}) {
  return (
    <Modal
      opened={open}
      onClose={onClose}
      size={size}
      centered
      withCloseButton={false}
      classNames={{ content: "m-dialog", overlay: "m-scrim", body: "m-dialog-body" }}
      padding={0}
      transitionProps={{ duration: 120 }}
      attributes={{ content: { "aria-label": title } }} // the kit would put it around the dialog
    >
      <h2 className="dlg-h">{title}</h2>
      {children}
    </Modal>
  );
}

/** Ask before something is destroyed: what is lost and what stays; big losses want the name typed. */
export function ConfirmDestroy({
  open,
  title,
  losses,
  verb,
  keep = "Keep it",
  typed,
  command,
  onClose,
  act,
}: {
  open: boolean;
  title: string;
  losses: readonly ReactNode[];
  /** The button: "Delete pool edge-hosts". */
  verb: string;
  keep?: string;
  /** The name that has to be typed. */
  typed?: string;
  /** The command that shows the same without doing it. */
  command?: string;
  onClose: () => void;
  act: () => Promise<unknown>;
}) {
  const [name, setName] = useState("");
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const close = () => {
    setName("");
    setFailed(null);
    onClose();
  };
  const go = async () => {
    setBusy(true);
    setFailed(null);
    try {
      await act();
      close();
    } catch (error) {
      setFailed(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open={open} title={title} onClose={close}>
      <ul className="losses">
        {losses.map((loss, at) => (
          <li key={at}>{loss}</li>
        ))}
      </ul>
      {typed && (
        <label className="field">
          <span className="lab">Type {typed} to go on</span>
          <span className="in">
            <input
              value={name}
              onChange={(event) => setName(event.target.value)}
              autoComplete="off"
              data-autofocus
            />
          </span>
        </label>
      )}
      {command && (
        <button type="button" className="btn quiet small mono" onClick={() => void copy(command, "Command")}>
          <Copy className="i s" /> {command}
        </button>
      )}
      {failed !== null && (
        <div className="row err-line" role="alert">
          <StateGlyph type="FAILED" label={false} /> {said(failed)}
        </div>
      )}
      <div className="row dlg-acts">
        <Button onClick={close}>{keep}</Button>
        <Button danger disabled={busy || (typed !== undefined && name !== typed)} onClick={() => void go()}>
          {verb}
        </Button>
      </div>
    </Dialog>
  );
}
