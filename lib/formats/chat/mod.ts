/** OpenAI's Chat Completions, format A of TRANSLATION.md: what clients send and upstreams answer, both ways. */
import type { Format } from "../../format.ts";
import { openaiHeaders } from "../../translation/headers.ts";
import { encodeOpenaiError, isOpenaiErrorBody } from "../../translation/openai_error.ts";
import { decodeUpstreamError } from "../../translation/upstream_error.ts";
import { errorFrame } from "./error.ts";
import { openDecoder } from "./event_decode.ts";
import { KEEPALIVE, openEncoder } from "./event_encode.ts";
import { endsSoftly } from "./soft_end.ts";
import { decodeRequest } from "./request_decode.ts";
import { encodeRequest } from "./request_encode.ts";
import { decodeResponse, encodeResponse } from "./response.ts";
import { FOREIGN_MARKS, stripEnvelopes } from "./strip.ts";

export const chat: Format = {
  name: "chat",
  path: "/chat/completions",
  oneOpenPart: false,
  terminals: ["data: [DONE]", "data:[DONE]", 'data: {"error"', 'data:{"error"', "event: error", "event:error"],
  endsSoftly,
  keyHeader: "authorization",
  dropsReasoning: true,
  signsCalls: true,
  hasPhases: false,
  keepaliveFrame: KEEPALIVE,
  decodeRequest,
  passedHeaders: (headers, target) => openaiHeaders(headers, target.family),
  encodeRequest,
  decodeResponse,
  encodeResponse,
  openDecoder,
  openEncoder,
  decodeError: decodeUpstreamError,
  encodeError: encodeOpenaiError,
  isErrorBody: isOpenaiErrorBody,
  errorFrame,
  foreignMarks: FOREIGN_MARKS,
  stripEnvelopes,
};
