/** OpenAI Responses as a wire format: both sides (TRANSLATION.md, format C). */
import type { Format } from "../../format.ts";
import { openaiHeaders } from "../../translation/headers.ts";
import { encodeOpenaiError, isOpenaiErrorBody } from "../../translation/openai_error.ts";
import { decodeUpstreamError } from "../../translation/upstream_error.ts";
import { errorEvent } from "./error.ts";
import { openDecoder } from "./event_decode.ts";
import { KEEPALIVE, openEncoder } from "./event_encode.ts";
import { decodeRequest } from "./request_decode.ts";
import { encodeRequest } from "./request_encode.ts";
import { decodeResponse, encodeResponse } from "./response.ts";
import { stripEnvelopes } from "./strip.ts";
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
  errorFrame: (failure) => errorEvent(failure, 0),
  openTap,
  stripEnvelopes,
};
