/**
 * Which values of `anthropic-beta` change an answer by themselves (TRANSLATION.md, 2.10). Most only allow a member of the
 * body, which is a loss by its own name, or do what other formats do unasked: cache, count, send arguments early.
 * Sources: the SDK's `AnthropicBeta` type (@anthropic-ai/sdk 1.11.0); CLIENTS.md for those that Claude Code sends.
 */
import type { Reasoning } from "../../neutral.ts";

/** By their names without the date. */
const OPT_INS: readonly RegExp[] = [
  /^(?:prompt-caching|extended-cache|cache-diagnosis|token-counting|thinking-token-count|message-batches|pdfs|files-api)/,
  /^(?:computer-use|code-execution|web-(?:fetch|search)|mcp-|memory|agent-memory|advisor-tool|skills|inline-tools)/,
  /^(?:advanced-tool-use|tool-search|tool-examples|fine-grained-tool-streaming|mid-conversation-|per-turn-control)/,
  /^(?:structured-outputs|effort|adaptive-thinking|redact-thinking|thinking-(?:display|binding)|task-budgets|fast-mode)/,
  /^(?:context-management|compact|message-threads|model-context-window|server-side-fallback|fallback-credit)/,
  /^(?:claude-code|oauth|user-profiles|managed-agents|ce-|experimental-claude-tag)/,
];

/** Older models think between their calls only with this one; without a budget to think with, it says nothing. */
const INTERLEAVED = /^interleaved-thinking/;

/** True also of a beta that is new to us: it was sent for something. */
export function changesAnswer(beta: string, thinking: Reasoning["mode"] | undefined): boolean {
  if (INTERLEAVED.test(beta)) return thinking === "budget";
  return !OPT_INS.some((pattern) => pattern.test(beta));
}
