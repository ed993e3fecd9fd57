import { toast } from "./toasts";

/** Put text on the clipboard and say so; pages without a secure address get the old way. */
export async function copy(text: string, what = "Text"): Promise<boolean> {
  const done = (await byClipboard(text)) || bySelection(text);
  if (done) toast({ text: `${what} copied`, brief: true });
  else
    toast({
      text: "The browser does not let this page copy. Select the text and copy it by hand.",
      bad: true,
    });
  return done;
}

async function byClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

function bySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  try {
    // Deprecated, and the only way on a plain http address.
    return document.execCommand("copy");
  } finally {
    area.remove();
  }
}
