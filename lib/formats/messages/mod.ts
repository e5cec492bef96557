/** Anthropic's Messages API, for clients and for upstreams (TRANSLATION.md, format B). */
import type { Format } from "../../format.ts";
import { decodeUpstreamError } from "../../translation/upstream_error.ts";
import { counting } from "./counting.ts";
import { encodeError, errorFrame, isErrorBody } from "./error.ts";
import { openDecoder } from "./event_decode.ts";
import { openEncoder, PING } from "./event_encode.ts";
import { passedHeaders } from "./headers.ts";
import { decodeRequest } from "./request_decode.ts";
import { encodeRequest } from "./request_encode.ts";
import { decodeResponse, encodeResponse } from "./response.ts";
import { FOREIGN_MARKS, stripEnvelopes } from "./strip.ts";

export const messages: Format = {
  name: "messages",
  path: "/messages",
  oneOpenPart: true,
  terminals: [
    "event: message_stop",
    "event:message_stop",
    'data: {"type":"message_stop"',
    'data: {"type": "message_stop"',
    "event: error",
    "event:error",
    'data: {"type":"error"',
    'data: {"type": "error"',
  ],
  endsSoftly: () => false,
  keyHeader: "x-api-key",
  dropsReasoning: false,
  signsCalls: false,
  hasPhases: false,
  keepaliveFrame: PING,
  counting,
  decodeRequest,
  passedHeaders,
  encodeRequest,
  decodeResponse,
  encodeResponse,
  openDecoder,
  openEncoder,
  decodeError: decodeUpstreamError,
  encodeError,
  isErrorBody,
  errorFrame,
  foreignMarks: FOREIGN_MARKS,
  stripEnvelopes,
};
