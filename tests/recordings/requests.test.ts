/**
 * Every recorded request, decoded and encoded again. To its own format it is the same request, unknown members and all;
 * to each other format and back it is the same but for what is said to be lost: no loss without a name, no name without
 * a loss.
 */
import assert from "node:assert/strict";
import { describe, test } from "bun:test";
import { capabilitiesOf } from "../../lib/capabilities.ts";
import type { Failure } from "../../lib/base/failure.ts";
import { Losses, type Target } from "../../lib/format.ts";
import { FORMATS } from "../../lib/formats/mod.ts";
import type { FormatName, NeutralRequest } from "../../lib/neutral.ts";
import { FAMILY_OF_FORMAT } from "../../lib/providers.ts";
import type { Json } from "../support/grammar.ts";
import { canonical } from "./canon.ts";
import { allows, REFUSED } from "./exceptions.ts";
import { assertHop, type Hop } from "./hops.ts";
import { ABSENT, type Recording, requestBody, requestHeaders, REQUESTS } from "./recordings.ts";
import { CLIENTS, targetOf } from "./translate.ts";

function decode(format: FormatName, body: Json, headers: Headers): NeutralRequest {
  const decoded = FORMATS[format].decodeRequest(body, headers);
  assert.ok(decoded.ok, `refused: ${JSON.stringify(decoded)}`);
  return decoded.value;
}

type Encoded = Pick<Hop, "to" | "losses" | "emulatedStops"> | Failure;

function encode(request: NeutralRequest, target: Target): Encoded {
  const losses = new Losses();
  const encoded = FORMATS[target.format].encodeRequest(request, target, losses);
  if (!encoded.ok) return encoded.failure;
  const { body, emulateStop = [] } = encoded.value;
  return { to: { format: target.format, body }, losses: losses.list, emulatedStops: emulateStop };
}

/**
 * The recording's own provider, with a model that nobody knows: what models refuse is no matter of formats. Nor is whose
 * models they are: a client of the upstream's own format got its bare values from there.
 */
function ownTarget(recording: Recording, request: NeutralRequest): Target {
  const { format } = recording;
  const capabilities = capabilitiesOf("nobodys-model");
  return { ...targetOf(recording), model: request.model, family: FAMILY_OF_FORMAT[format], capabilities };
}

describe("recorded requests, to their own format", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const recording of REQUESTS) {
    test(recording.name, () => {
      const { format } = recording;
      const request = decode(format, requestBody(recording), requestHeaders(recording));
      const encoded = encode(request, ownTarget(recording, request));
      assert.ok("to" in encoded, `refused: ${JSON.stringify(encoded)}`);
      assert.deepEqual(canonical(format, encoded.to.body), canonical(format, requestBody(recording)));
      assert.deepEqual(encoded.losses, []);
    });
  }
});

/** Where requests of other formats go: models of several classes, since what a model refuses is lost by name too. */
const MODELS: Readonly<Record<FormatName, readonly [model: string, family: string][]>> = {
  chat: [["local-model", "local"], ["gpt-4o-search-preview", "openai"], ["gpt-5.1", "openai"]],
  messages: [["claude-sonnet-4-6", "anthropic"], ["claude-opus-5", "anthropic"]],
  responses: [["gpt-4.1", "openai"], ["gpt-5.1", "openai"]],
};

function foreignTarget(format: FormatName, model: string, family: string): Target {
  return { provider: family, model, format, family, flags: new Set(), capabilities: capabilitiesOf(model) };
}

/** The next request of the journey; undefined where it was refused, as it had to be. */
function hop(from: Hop["from"], headers: Headers, target: Target): Hop["from"] | undefined {
  const encoded = encode(decode(from.format, from.body, headers), target);
  if ("to" in encoded) {
    assertHop({ from, ...encoded });
    return { format: target.format, body: JSON.parse(JSON.stringify(encoded.to.body)) };
  }
  const { kind, param = "", message } = encoded;
  assert.ok(kind === "unsupported" || kind === "invalid_request", message);
  assert.ok(allows(REFUSED, target.format, param), `refused for ${param}: ${message}`);
  return undefined;
}

describe("recorded requests, to another format and back", () => {
  if (ABSENT !== undefined) test.skip(ABSENT, () => {});
  for (const recording of REQUESTS) {
    for (const format of CLIENTS.filter((format) => format !== recording.format)) {
      for (const [model, family] of MODELS[format]) {
        test(`${recording.name} → ${format} (${model})`, () => {
          const asked = { format: recording.format, body: requestBody(recording) };
          const there = hop(asked, requestHeaders(recording), foreignTarget(format, model, family));
          if (there !== undefined) {
            hop(there, new Headers(), targetOf({ ...recording, model: String(asked.body["model"]) }));
          }
        });
      }
    }
  }
});
