/** What clients are told of state that isn't there: in OpenAI's words where it has any. */
import { type Failure, invalid } from "../../base/failure.ts";

function notFound(message: string, code: string, param?: string): Failure {
  const failure: Failure = { kind: "not_found", source: "client", message, retry: false, code };
  return param === undefined ? failure : { ...failure, param };
}

/** `missing`: the one of its earlier turns that isn't there, or itself. `why`: what is known of that. */
export function noPrevious(id: string, missing: string, why = ""): Failure {
  const what = id === missing
    ? `Previous response with id '${shown(id)}' not found`
    : `Previous response with id '${shown(id)}' goes on from '${shown(missing)}', which was not found`;
  const message = `${what}${why}; send the full input instead`;
  return notFound(message, "previous_response_not_found", "previous_response_id");
}

export function noResponse(id: string): Failure {
  return notFound(`Response with id '${shown(id)}' not found`, "response_not_found");
}

export function noConversation(id: string, param?: string): Failure {
  return notFound(`Conversation with id '${shown(id)}' not found`, "conversation_not_found", param);
}

export function noItem(id: string): Failure {
  return notFound(`Item with id '${shown(id)}' not found`, "item_not_found");
}

/** An item that a request refers to at `path`. */
export function noReferred(id: string, path: string): Failure {
  return notFound(`Item with id '${shown(id)}' not found; send the item itself instead`, "item_not_found", path);
}

/** Its provider is no longer in the config, or no longer speaks this format. */
export function providerGone(id: string, provider: string): Failure {
  const message = `'${shown(id)}' is kept by the provider "${provider}", which this gateway's config has no more`;
  return notFound(message, "provider_gone");
}

export function keptElsewhere(id: string, provider: string): Failure {
  return invalid(
    `Conversation '${shown(id)}' is kept by the provider "${provider}"; use a model of that provider`,
    "conversation",
  );
}

/** `limit`: bytes. */
export function tooLong(limit: number): Failure {
  const message =
    `With its earlier turns the request is larger than ${limit} bytes; the gateway's max_body_mb sets this limit`;
  return { kind: "too_large", source: "client", message, retry: false };
}

function shown(id: string): string {
  return id.length > 100 ? `${id.slice(0, 100)}…` : id;
}
