/** Carrying out what a button says: one at a time, told when it fails, with the way to try again. */

import { useState } from "react";
import { said } from "@/data/failures";
import { toast } from "./toasts";

type Told = { done?: string; undo?: () => void };

/** Do it and tell what came of it; whether it worked. `failed` begins the sentence of a failure: "Not paused". */
export async function act(failed: string, doing: () => Promise<unknown>, told: Told = {}): Promise<boolean> {
  try {
    await doing();
  } catch (error) {
    const again = () => void act(failed, doing, told);
    toast({ text: `${failed}. ${said(error)}`, bad: true, again });
    return false;
  }
  if (told.done) toast({ text: told.done, undo: told.undo });
  return true;
}

/** `const [run, busy] = useAct(); void run("Not paused", () => pause(id), { done: "Paused" })`. */
export function useAct(): [typeof act, boolean] {
  const [busy, setBusy] = useState(false);
  const run: typeof act = async (...given) => {
    setBusy(true);
    try {
      return await act(...given);
    } finally {
      setBusy(false);
    }
  };
  return [run, busy];
}
