/** Responses that are kept: looked up, replayed, cancelled, deleted, here or at the upstream that keeps them. */
import { scopeOf } from "../../scope.ts";
import { invalid } from "../../base/failure.ts";
import { answer, type Exchange, type Handled, idHeaders, refuse } from "../../exchange.ts";
import { replayFrames } from "../../formats/responses/replay.ts";
import { FORMATS } from "../../formats/mod.ts";
import type { Pin, StoredResponse } from "../../state/store.ts";
import { pageOf, shownItem } from "../listing.ts";
import { type AnyJob, endJob, jobElsewhere, type Running, runningOf } from "./elsewhere.ts";
import { noResponse } from "./failures.ts";
import { eventStream, framesStream, isAfter, sequenceOf, streamOf } from "./job_feed.ts";
import { forward } from "./remote.ts";
import { isOver, withId } from "./turn.ts";

const FORMAT = FORMATS.responses;

/** Where a response is. */
type Found = Running | { pin: Pin };

/** Does with a response that is kept here what `act` says; asks the upstream that keeps it else. */
async function at(
  exchange: Exchange,
  method: "GET" | "POST" | "DELETE",
  rest: string,
  act: (stored: StoredResponse, job: AnyJob | undefined) => Handled | Promise<Handled>,
): Promise<Handled> {
  const { params: [id = ""] } = exchange;
  const found = await find(exchange, id);
  if (found === undefined) return refuse(exchange, noResponse(id), FORMAT);
  if ("stored" in found) return await act(found.stored, found.job);
  return await forward(exchange, found.pin, method, `/responses/${encodeURIComponent(id)}${rest}`);
}

async function find({ services, request }: Exchange, id: string): Promise<Found | undefined> {
  const { state, jobs } = services;
  const scope = scopeOf(request.headers);
  const stored = state.get(scope, id);
  if (stored === undefined) {
    const pin = state.pinned(scope, id);
    return pin === undefined ? undefined : { pin };
  }
  const isSettled = isOver(stored.response) && jobs.get(scope, id) === undefined;
  return isSettled ? { stored } : await runningOf(services, stored);
}

/** `GET /responses/{id}`; `?stream=true&starting_after=n`: as the stream that it was, or still is. */
export function retrieve(exchange: Exchange): Promise<Handled> {
  return at(exchange, "GET", "", async (stored, job) => {
    const query = exchange.url.searchParams;
    if (query.get("stream") !== "true") return answer(exchange, stored.response);
    const after = Number(query.get("starting_after") || -1);
    if (!Number.isInteger(after)) {
      return refuse(exchange, invalid("Expected starting_after to be a whole number", "starting_after"), FORMAT);
    }
    if (job !== undefined && !job.isStreamed) {
      const message = "This response is still being made, and was not asked for with stream: true; poll it instead";
      return refuse(exchange, invalid(message, "stream"), FORMAT);
    }
    return { response: await replayed(exchange, stored, job, after) };
  });
}

/** As it was told where that is known, else as it might have been. */
async function replayed(
  { services, requestId }: Exchange,
  stored: StoredResponse,
  own: AnyJob | undefined,
  after: number,
): Promise<Response> {
  const headers = idHeaders(requestId);
  const { scope, id, response } = stored;
  let told = own === undefined ? services.state.frames(scope, id) : undefined;
  let job = own;
  // A response is stored as complete a moment before its frames are.
  if (job === undefined && told === undefined && response["background"] === true) {
    job = (await jobElsewhere(services, stored)).job;
    told = services.state.frames(scope, id);
  }
  if (job?.isStreamed) return streamOf(job, after, services.config.timeouts, headers);
  const frames = told?.filter((frame) => isAfter(sequenceOf(frame), after)) ?? replayFrames(response, after);
  return eventStream(framesStream(frames), headers);
}

/** `DELETE /responses/{id}` */
export async function remove(exchange: Exchange): Promise<Handled> {
  const { services, request, params: [id = ""] } = exchange;
  const scope = scopeOf(request.headers);
  const handled = await at(exchange, "DELETE", "", async (stored, job) => {
    if (job !== undefined) await endJob(services, stored, job);
    services.state.delete(scope, id);
    return answer(exchange, { id, object: "response", deleted: true });
  });
  if (handled.response.ok) services.state.unpin(scope, id);
  return handled;
}

/** `POST /responses/{id}/cancel`: one that is over stays as it is. */
export function cancel(exchange: Exchange): Promise<Handled> {
  return at(exchange, "POST", "/cancel", async (stored, job) => {
    if (stored.response["background"] !== true) {
      return refuse(exchange, invalid("Only a response made with background: true can be cancelled"), FORMAT);
    }
    if (job === undefined || isOver(job.response)) return answer(exchange, stored.response);
    return answer(exchange, await endJob(exchange.services, stored, job));
  });
}

/** `GET /responses/{id}/input_items` */
export function inputItems(exchange: Exchange): Promise<Handled> {
  return at(exchange, "GET", "/input_items", ({ id, input }) => {
    const items = input.map((item, index) => shownItem(withId(item, `${id}:${index}`)));
    const page = pageOf(items, exchange.url.searchParams);
    return page.ok ? answer(exchange, page.value) : refuse(exchange, page.failure, FORMAT);
  });
}
