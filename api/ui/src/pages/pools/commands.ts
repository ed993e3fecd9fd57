/** What one types to start a worker. */

export type How = "shell" | "systemd" | "stock";

type About = { pool: string; type: string; api: string; locked: boolean };

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** A word as a shell takes it. */
export function quoted(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function startLines(how: How, { pool, type, api, locked }: About): string[] {
  if (how === "systemd")
    return [
      "[Unit]",
      `Description=Heliostat worker of work pool ${pool}`,
      "After=network-online.target",
      "Wants=network-online.target",
      "",
      "[Service]",
      `Environment=HELIOSTAT_API_URL=${api}`,
      ...(locked ? ["Environment=HELIOSTAT_API_AUTH_STRING=USER:PASSWORD"] : []),
      `ExecStart=/usr/bin/env heliostat worker start --pool "${pool.replaceAll('"', '\\"')}"`,
      "Restart=always",
      "",
      "[Install]",
      "WantedBy=multi-user.target",
    ];
  const name = how === "stock" ? "PREFECT" : "HELIOSTAT";
  const installed = how === "stock" ? "the client of the standard" : "Heliostat";
  const start =
    how === "stock"
      ? `prefect worker start --pool ${quoted(pool)}${type === "process" ? "" : ` --type ${quoted(type)}`}`
      : `heliostat worker start --pool ${quoted(pool)}`;
  return [
    `# where ${installed} is installed and this server is reached`,
    `export ${name}_API_URL=${api}`,
    ...(locked ? [`export ${name}_API_AUTH_STRING=USER:PASSWORD`] : []),
    start,
  ];
}
