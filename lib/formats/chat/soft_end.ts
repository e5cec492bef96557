/**
 * Servers that send no `[DONE]` (llama.cpp, Perplexity) end with a finish reason: the last chunk that has a choice must
 * say one. A chunk of another choice after it tells that the answer was still going on.
 */
export function endsSoftly(tail: string): boolean {
  const last = tail.split("\n").findLast((line) => line.startsWith("data:") && /"choices":\s*\[\s*\{/.test(line));
  return last !== undefined && /"finish_reason":\s*"[^"]/.test(last);
}
