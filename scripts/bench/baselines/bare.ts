/**
 * The least that a proxy on this runtime can be: the request is read whole (cheaper in Bun than piping it), fetched, and
 * the answer's body handed on. No routing, no log, no checks. What the gateway costs beyond this is what it does.
 */
import { serveBaseline } from "./serve.ts";

serveBaseline((upstream) => async (request) => {
  const path = new URL(request.url).pathname;
  const body = await request.arrayBuffer();
  const answer = await fetch(upstream + path, {
    method: request.method,
    headers: {
      "content-type": "application/json",
      authorization: request.headers.get("authorization") ?? "",
    },
    body,
    signal: request.signal,
  });
  return new Response(answer.body, {
    status: answer.status,
    headers: { "content-type": answer.headers.get("content-type") ?? "application/json" },
  });
});
