/** OpenAI Responses as a wire format: both sides (TRANSLATION.md, format C). */
import type { Format } from "../../format.ts";
import { counting } from "./counting.ts";
import { openaiHeaders } from "../../translation/headers.ts";
import { encodeOpenaiError, isOpenaiErrorBody } from "../../translation/openai_error.ts";
import { decodeUpstreamError } from "../../translation/upstream_error.ts";
import { errorEvent } from "./error.ts";
import { openDecoder } from "./event_decode.ts";
import { KEEPALIVE, openEncoder } from "./event_encode.ts";
import { decodeRequest } from "./request_decode.ts";
import { encodeRequest } from "./request_encode.ts";
import { decodeResponse, encodeResponse } from "./response.ts";
import { FOREIGN_MARKS, stripEnvelopes } from "./strip.ts";
import { openTap } from "./tap.ts";
import { FORMAT } from "./wire.ts";

export const responses: Format = {
  name: FORMAT,
  path: "/responses",
  oneOpenPart: true,
  terminals: [
    ...["response.completed", "response.incomplete", "response.failed", "error"].flatMap((type) => [
      `event: ${type}`,
      `event:${type}`,
      `data: {"type":"${type}"`,
      `data: {"type": "${type}"`,
    ]),
    'data: {"error":',
  ],
  endsSoftly: () => false,
  keyHeader: "authorization",
  dropsReasoning: false,
  signsCalls: false,
  hasPhases: true,
  keepaliveFrame: KEEPALIVE,
  counting,
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
  errorFrame: (failure) => errorEvent(failure, 0),
  foreignMarks: FOREIGN_MARKS,
  openTap,
  stripEnvelopes,
};
