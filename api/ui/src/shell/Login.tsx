import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { said } from "@/data/failures";
import { sessionQuery, signIn } from "@/data/session";
import { TextField } from "@/parts/fields";
import { Sign } from "./Navigation";

/** One card: only where the server asks for a password. */
export function Login() {
  const queries = useQueryClient();
  const [failed, setFailed] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    try {
      await signIn(String(form.get("user")), String(form.get("password")));
      setFailed(null);
      await queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
    } catch (error) {
      setFailed(said(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="door">
      <form className="login" onSubmit={(event) => void submit(event)}>
        <div className="top1">
          <Sign /> Heliostat
        </div>
        <h1 className="sr">Sign in</h1>
        <TextField label="User" name="user" autoComplete="username" required autoFocus />
        <TextField
          label="Password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          error={failed}
        />
        <button type="submit" className="btn sun" disabled={busy}>
          Sign in
        </button>
      </form>
    </main>
  );
}
