import type { Context as HonoContext } from "hono";
import { NightjarError } from "../../errors/errors.ts";
import type { Plan } from "../../model/restore-report.ts";
import { parseRestoreLine, type RestoreLine } from "../../model/restore-line.ts";
import { ProgressLine, RestorePage, RestoringPage } from "../../web/pages/restore.tsx";
import { sizeOf } from "../../web/size.ts";
import type { HttpEnv } from "../hono-env.ts";
import { api } from "../api.ts";
import { headersOf, refusalOf, show } from "./page.ts";

/**
 * Restore to a configured database: the first time show what would be done, and then, once its name was typed,
 * do it and tell how it is getting on.
 */
export async function restoreFromPage(c: HonoContext<HttpEnv, "/backups/:id/restore">) {
  const id = c.req.param("id");
  const form = await c.req.parseBody();
  const text = (name: string) => (typeof form[name] === "string" ? form[name].trim() : "");
  const target = text("target");
  const overwrite = text("overwrite") === "yes";
  const confirm = text("confirm");
  const ask = async (dryRun: boolean) => {
    const body = { target: { database: target }, overwrite, verify: true, dryRun };
    const request = new Request(`${new URL(c.req.url).origin}/v1/backups/${id}/restore`, {
      ...{ method: "POST", headers: { "content-type": "application/json" } },
      body: JSON.stringify(body),
    });
    const response = await api.fetch(request, { ...c.env, signedIn: c.get("caller") });
    if (!response.ok) throw await refusalOf(response);
    return response;
  };
  const { name: who } = c.get("caller");
  if (confirm === "") {
    const { plan } = (await (await ask(true)).json()) as { plan: Plan };
    const { database } = plan.subject;
    const facts = factsOf(plan);
    return show(c, RestorePage({ who, backup: id, database, target, overwrite, plan: facts }));
  }
  if (confirm !== target)
    throw new NightjarError("REQUEST_INVALID", `The name that was typed is not ${target}.`, {
      hint: "Go back, and type the name of the target exactly. Nothing was changed.",
    });
  return told(c, (await ask(false)).body!, RestoringPage({ who, backup: id, target }).toString());
}

/** What a plan says, for people. */
function factsOf({
  subject,
  target,
  way,
  why,
  sanitized,
  tables,
  drops,
  saves,
  loss,
  notes,
}: Plan) {
  return [
    ["As of", subject.asOf],
    ["Size", sizeOf(subject.bytes)],
    ["Target", `${target.url} (${target.state})`],
    ["Way", `${way}: ${why}`],
    ["Tables that come back", String(tables.length)],
    ["What comes back", sanitized ? "masks in place of values" : "the values as they are"],
    ["What is dropped first", drops.length === 0 ? "nothing" : drops.join(", ")],
    ["The target is backed up first", saves ? "yes" : "no"],
    ["What is lost", loss.words],
    ...notes.map((note, at) => [`Note ${at + 1}`, note] as const),
  ] as const satisfies readonly (readonly [string, string])[];
}

/** Send a page whose list grows with every line of the restore. */
function told(c: HonoContext<HttpEnv>, lines: ReadableStream<Uint8Array>, page: string): Response {
  const [head, tail] = page.split("<!--lines-->") as [string, string];
  const encoder = new TextEncoder();
  let rest = "";
  const html = lines
    .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
    .pipeThrough(
      new TransformStream<string, Uint8Array>({
        start: (controller) => controller.enqueue(encoder.encode(`<!doctype html>${head}`)),
        transform(piece, controller) {
          const whole = (rest + piece).split("\n");
          rest = whole.pop()!;
          for (const line of whole)
            controller.enqueue(encoder.encode(ProgressLine(wordsOf(parseRestoreLine(line)))));
        },
        flush: (controller) => controller.enqueue(encoder.encode(tail)),
      }),
    );
  const headers = { ...headersOf(c), "content-type": "text/html; charset=utf-8" };
  return new Response(html, { headers });
}

/** A line of a restore, for people. */
function wordsOf(line: RestoreLine): string {
  if ("plan" in line) return `Begun, by ${line.plan.way}.`;
  if ("done" in line) {
    const { tables, verified, saved, seconds } = line.done;
    const compared =
      verified === null ? "" : ` ${verified.rows} rows of ${verified.tables} tables were compared.`;
    const kept = saved === null ? "" : ` What was there before is backup ${saved}.`;
    return `Done: ${tables} tables in ${seconds} s.${compared}${kept}`;
  }
  if ("error" in line) return `Stopped: ${line.error.message} ${line.error.hint}`;
  switch (line.state) {
    case "saving":
      return `Backing up what is there: ${sizeOf(line.bytes)}.`;
    case "waiting":
      return "Waiting for other work.";
    case "wiping":
      return `Removing what is there: ${line.objects} objects.`;
    case "writing":
      return "pages" in line
        ? `Writing: ${line.pages} of ${line.of} pages.`
        : `Writing: ${sizeOf(line.bytes)}.`;
    case "verifying":
      return `Comparing ${line.table}: ${line.rows} rows.`;
  }
}
