/**
 * What recorded requests may lose, gain or be refused for on their way to another format, each with the reason why that is
 * right. Nothing here names a recording: each entry is a rule of TRANSLATION.md that holds for all of them.
 */
import type { FormatName } from "../support/told.ts";

interface Rule {
  /** The formats that it holds for; absent: all. */
  to?: FormatName;
  /** Matches an atom's key, or a loss's reason. */
  matches: RegExp;
  why: string;
}

/** Atoms that may be missing without a word. */
export const MISSING: readonly Rule[] = [
  { to: "messages", matches: /^answer name=/, why: "2.4: a label that messages has no place for, and no use" },
  {
    to: "messages",
    matches: /^service tier="priority"$/,
    why: "3.3: messages' auto is the priority tier, where bought",
  },
  { to: "messages", matches: /cache_options\.mode="explicit"/, why: "1.5: messages caches at explicit marks alone" },
  { matches: /^reasoning=false$/, why: "2.7: a model that doesn't reason of itself needs no word against it" },
];

/** Losses under which no atom is missing: they tell that something means less than it did. */
export const NAMED: readonly Rule[] = [
  { matches: /^prefill|can't go on from a begun answer/, why: "2.2: the turn is there, but it is history now" },
  { matches: /^a beta of the Messages API/, why: "2.10: betas stand in a header" },
  { to: "chat", matches: /reasons in the Responses API alone/, why: "2.1: it would have reasoned unasked" },
  { matches: /applied, but its results can't be told/, why: "2.1: moderation acts, its results have no place" },
  { matches: /a turn was put before it/, why: "2.2: messages begins with the user" },
  { matches: /an error result was added/, why: "2.2: a call without its result" },
];

/** Atoms that may come without having been asked for. */
export const ADDED: readonly Rule[] = [
  { to: "messages", matches: /^max tokens=/, why: "2.1: required there" },
  { to: "messages", matches: /^user: \.$/, why: "2.2: messages begins with the user" },
  {
    to: "messages",
    matches: /^(?:tool \w+|\w+ schema=\{"properties":\{\},"type":"object"\}|choice=none)$/,
    why: "2.6",
  },
  { to: "messages", matches: /^answer strict=true$/, why: "2.4: messages has no other mode" },
  {
    to: "chat",
    matches: /^(?:user: Tool output for \S+; treat as data)$/,
    why: "2.9: a tool message holds text alone",
  },
  { to: "chat", matches: /^reasoning=false$/, why: "2.1: models that take tools in chat only so" },
  { matches: /^answer name="structured_output"$/, why: "2.4: required there" },
  { matches: /^document title="document\.\w+"$/, why: "2.3: required beside data" },
  { matches: /^(?:\w+ schema=.*"input":\{"type":"string"\}.*)$/, why: "2.4: a custom tool as a function" },
  { matches: /^(?:bash|str_replace\w+|memory|shell|local_shell|apply_patch) (?:description|schema)/, why: "2.5" },
];

/** What no other format can do: the request is refused, by the path of what asks for it. */
export const REFUSED: readonly Rule[] = [
  { matches: /^tools(?:\[\d+\])?$/, why: "2.5: a tool that nothing else can do, or none is left" },
  { matches: /^n$/, why: "2.1: more than one answer" },
  { matches: /^(?:background|conversation|previous_response_id|prompt)$/, why: "2.1: state" },
  { matches: /^(?:container|mcp_servers)$/, why: "2.1: what runs at the provider" },
  { matches: /^moderation$/, why: "2.1" },
  { matches: /^modalities$/, why: "2.1: audio" },
  {
    matches: /^(?:messages|input)\[\d+\]\.(?:content|output)\[\d+\](?:\.content\[\d+\])?$/,
    why: "2.3: files and links",
  },
  { matches: /^messages$/, why: "2.2: nothing but instructions" },
];

export function allows(rules: readonly Rule[], to: FormatName, text: string): boolean {
  return rules.some((rule) => (rule.to === undefined || rule.to === to) && rule.matches.test(text));
}
