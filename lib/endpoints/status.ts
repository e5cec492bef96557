/** What is told without a model: who this is, its models, its health, its counters. */
import { health, healthOf, listModels, oneModel } from "../admin.ts";
import { type Exchange, type Handled, json } from "../exchange.ts";
import { mergeSnapshots, printSnapshot } from "../metrics.ts";

export function welcome(): Handled {
  return { response: Response.json({ name: "trivium", models: "/v1/models", health: "/health" }) };
}

export function tellHealth({ services }: Exchange): Handled {
  return { response: Response.json({ ...health(services.config, services.since), ...healthOf(services.siblings) }) };
}

/** Of all workers together, whichever of them is asked. */
export async function tellMetrics({ services: { metrics, siblings } }: Exchange): Promise<Handled> {
  const all = await siblings?.ask("metrics", null);
  const snapshots = all?.told.map(({ value }) => value) ?? [];
  const snapshot = snapshots.length === 0 ? metrics.snapshot() : mergeSnapshots(snapshots);
  return {
    response: new Response(printSnapshot(snapshot), { headers: { "content-type": "text/plain; version=0.0.4" } }),
  };
}

export function tellModels(exchange: Exchange): Handled {
  const { services, request, url } = exchange;
  return json(exchange, listModels(services.config, request.headers, url.searchParams, services.since));
}

/** A model's name may hold slashes: all of the path is the name. */
export function tellModel(exchange: Exchange): Handled {
  const { services, request, params: [name = ""] } = exchange;
  return json(exchange, oneModel(services.config, request.headers, name, services.since));
}
