/**
 * What needs no carrying: values that say nothing, and members that mean something to their own format's service alone.
 * Each with the reason, which the table shows; a rule that nothing needs any more fails the test.
 */
import type { FormatName } from "../../lib/neutral.ts";
import type { Moot } from "./explore.ts";

const DEFAULT = "the default: it says nothing";
const OWN_STREAM = "the gateway's own stream obeys it";
const LABEL = "a label that messages has no place and no use for";

export const MOOT_REQUESTS: Readonly<Record<FormatName, readonly Moot[]>> = {
  chat: [
    { path: /\.image_url\.detail"auto"$/, why: DEFAULT },
    { path: /^(?:logprobs|store|.*\.strict)false$|^modalities"text"$|^response_format\(text\)$/, why: DEFAULT },
    { path: /^(?:verbosity|.*\.search_context_size)"medium"$|\.format\(text\)$/, why: DEFAULT },
    { path: /^prompt_cache_retention"in_memory"$|^prompt_cache_options\.mode"explicit"$/, why: DEFAULT },
    { path: /^stream_options\./, why: OWN_STREAM },
    { path: /\.file\.file_id$/, why: "beside file_data it says nothing, alone it is refused" },
    { path: /json_schema\.(?:name|stricttrue)$/, to: /messages/, why: LABEL },
  ],
  messages: [
    { path: /(?:disable_parallel_tool_use|defer_loading|eager_input_streaming|strict|is_error)false$/, why: DEFAULT },
    { path: /eager_input_streamingtrue$/, why: "arguments come as they are written anyway" },
    { path: /citations\.enabledfalse$|allowed_callers"direct"$|caller\(direct\)$|\.type"custom"$/, why: DEFAULT },
    { path: /cache_control\.ttl"5m"$|^thinking\(disabled\)$|display"summarized"$/, why: DEFAULT },
    { path: /^service_tier/, to: /others/, why: DEFAULT },
    { path: /^cache_control$/, why: "caches unasked" },
    {
      path: /\[web_search_result_location\]\.(?:cited_text|encrypted_index)$/,
      why: "an address and a title are all that it says there",
    },
    { path: /^(?:user_profile|workspace)_id$/, why: "an account at Anthropic, and there it goes" },
  ],
  responses: [
    { path: /(?:store|background|defer_loading|strict)false$|^truncation"disabled"$|\.format\(text\)$/, why: DEFAULT },
    {
      path: /(?:search_context_size|verbosity)"medium"$|caller\(direct\)$|type"(?:message|approximate)"$/,
      why: DEFAULT,
    },
    { path: /^prompt_cache_retention"in_memory"$|^prompt_cache_options\.mode"explicit"$/, why: DEFAULT },
    { path: /^service_tier"(?:auto|default)"$/, to: /others/, why: DEFAULT },
    { path: /^reasoning\.effort"none"$/, to: /others/, why: "a model that isn't asked doesn't reason" },
    { path: /allowed_callers"direct"$|\.environment\(local\)$/, why: DEFAULT },
    { path: /\[input_(?:image|file)\]\.detail"auto"$/, why: DEFAULT },
    {
      path: /\[input_(?:image|file)\]\.(?:file_id|file_url)$/,
      why: "beside the data it says nothing, alone it is refused",
    },
    {
      path: /^input\[(?:shell|apply_patch)_\w+\]\.(?:caller|environment)\(/,
      why: "where a call ran whose result is here",
    },
    { path: /^input\[shell_call_output\]\.max_output_length$/, why: "what its call asked for" },
    { path: /^input\[.*\]\.(?:id|status"\w+")$/, why: "names a thing within its own service" },
    { path: /^input\[.*\.logprobs\[\]\.token$/, why: "what an answer said of its tokens is no input" },
    { path: /tools\[WebSearch(?:Preview)?Tool\]\.(?:type"|user_location$)/, why: "its members say all of it" },
    { path: /^include"reasoning\.encrypted_content"$/, why: "sealed reasoning is always handed on" },
    { path: /^reasoning\.summary"/, why: "how to show the reasoning that is asked for beside it" },
    { path: /^stream_options\./, why: OWN_STREAM },
    { path: /^text\.format\(json_schema\)\.(?:name|stricttrue)$/, to: /messages/, why: LABEL },
  ],
};

const ECHO = "an echo of the request: a client gets one of its own";
const UNASKED = "told only to those who ask for it, and this client can't";
const SERVICE = "of the service, not of the answer";
const COUNT = "a part of a count that is told whole";
const STOP = "said by the stop reason: see below";
const OWN_ID = "the gateway names its own answers";
const ITEM = "names a thing within its own service";
const CALLER = "says that a server tool made the call, and none is offered that could";

export const MOOT_ANSWERS: Readonly<Record<FormatName, readonly Moot[]>> = {
  chat: [
    { path: /^choices\[\]\.(?:logprobs\.|message\.audio\.)/, why: UNASKED },
    { path: /^(?:metadata|moderation)/, why: UNASKED },
    { path: /^id$/, why: OWN_ID },
    { path: /^(?:service_tier|system_fingerprint)/, why: SERVICE },
    { path: /^usage\.(?:completion|prompt)_tokens_details\./, why: COUNT },
  ],
  messages: [
    { path: /^id$/, why: OWN_ID },
    { path: /^(?:container|context_management|diagnostics|input_transformations)/, why: UNASKED },
    {
      path: /\[web_search_result_location\]\.(?:cited_text|encrypted_index)$/,
      why: "an address and a title are all that it says there",
    },
    { path: /caller\(direct\)$/, why: DEFAULT },
    { path: /^content\[tool_use\]\.(?:caller|toolset_name)/, why: CALLER },
    { path: /^stop_(?:details|sequence)/, why: STOP },
    { path: /^usage\.(?:cache_creation|iterations|server_tool_use)/, why: COUNT },
    { path: /^usage\.(?:fallback_credit|inference_geo|service_tier|speed)/, why: SERVICE },
  ],
  responses: [
    { path: /^id$/, why: OWN_ID },
    {
      path:
        /^(?:access_programs|instructions|parallel_tool_calls|tool_choice|background|image|max_|metadata|temperature|top_p|conversation|previous_|prompt|reasoning|safety_|text|top_logprobs|truncation|user)/,
      why: ECHO,
    },
    { path: /^(?:moderation|tool_usage)|\.logprobs\[\]\.token$/, why: UNASKED },
    { path: /^output\[\w+\]\.(?:id|created_by|status"\w+")$/, why: ITEM },
    { path: /^output\[\w+\]\.(?:caller|async)/, why: CALLER },
    { path: /^output\[\w+\]\.namespace$/, why: "the client's own name for the tool is given back" },
    {
      path: /^output\[message\]\.phase/,
      why: "the thinking before the message carries it; where there is none, it is named",
    },
    { path: /^(?:completed_at|service_tier)/, why: SERVICE },
    { path: /^usage\./, why: COUNT },
  ],
};
