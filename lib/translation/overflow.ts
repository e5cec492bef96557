/**
 * Recognises an upstream's complaint that the input doesn't fit into the model's context, whoever words it
 * (TRANSLATION.md, section 5). Coding agents compact their history only when they are told so in their own format's
 * words, so a missed complaint ends the session. Patterns are of the makers' and servers' published messages.
 */

const OVERFLOW: readonly RegExp[] = [
  /context_length_exceeded/,
  /context[ _-]?(?:length|window|size|limit) (?:is |was |has been )?exceeded/,
  /maximum context length/,
  /max(?:imum)? (?:prompt|input) length/,
  /max context length/,
  /(?:exceeds?|exceeded|larger than|greater than|beyond) (?:the |this |its |your )?(?:model's |model |available |maximum )*context/,
  /exceed context (?:limit|window|length)/,
  /context window exceeds limit/,
  /context the overflows/,
  /(?:prompt|input|messages?|request|conversation) (?:is |are )?too long/,
  /total length of all messages is too long/,
  /too_many_prompt_tokens/,
  /input token count.*exceeds?/s,
  /token count of [\d,]+ exceeds the limit/,
  /input tokens exceed/,
  /exceeded model token limit/,
  /reduce the length of (?:the |your )?(?:messages|prompt|input|either)/,
];

/** Whether an error's text or code says that the input is too long. Ask it of 400, 413 and 422 answers alone. */
export function isContextOverflow(text: string): boolean {
  const lower = text.toLowerCase();
  return OVERFLOW.some((pattern) => pattern.test(lower));
}

export interface OverflowNumbers {
  /** Tokens of the input, or of the whole request where the message tells no more. */
  tokens?: number;
  /** Tokens that the model's context holds. */
  limit?: number;
  /** Tokens asked for as output, where the complaint is that both together don't fit. */
  outputTokens?: number;
}

/** Each names its numbers `tokens`, `limit`, `output`; the first that matches wins, so the more telling stand first. */
const NUMBERS: readonly RegExp[] = [
  /exceed context limit: (?<tokens>[\d,]+) \+ (?<output>[\d,]+) > (?<limit>[\d,]+)/,
  /(?<tokens>[\d,]+) tokens > (?<limit>[\d,]+)/,
  /maximum context length is (?<limit>[\d,]+).*?\((?<tokens>[\d,]+) (?:in|of) .*?, (?<output>[\d,]+) (?:in|for) the (?:completion|output)/s,
  /maximum context length is (?<limit>[\d,]+)\D*?(?:requested|resulted in|has|contains?)\D*(?<tokens>[\d,]+)/s,
  /input token count \(?(?<tokens>[\d,]+)\)? exceeds the maximum number of tokens allowed \(?(?<limit>[\d,]+)/,
  /maximum (?:prompt|input) length is (?<limit>[\d,]+)\D+(?<tokens>[\d,]+) tokens/,
  /token count of (?<tokens>[\d,]+) exceeds the limit of (?<limit>[\d,]+)/,
  /\((?<tokens>[\d,]+) tokens\) exceeds the available context size \((?<limit>[\d,]+)/,
  /maximum context length is (?<limit>[\d,]+)/,
];

/** The numbers that an overflow message holds, none where it holds none. */
export function overflowNumbers(text: string): OverflowNumbers {
  const lower = text.toLowerCase();
  for (const pattern of NUMBERS) {
    const groups = pattern.exec(lower)?.groups;
    if (groups !== undefined) return named(groups);
  }
  return {};
}

function named(groups: Record<string, string | undefined>): OverflowNumbers {
  const tokens = numberOf(groups["tokens"]);
  const limit = numberOf(groups["limit"]);
  const outputTokens = numberOf(groups["output"]);
  return {
    ...(tokens === undefined ? {} : { tokens }),
    ...(limit === undefined ? {} : { limit }),
    ...(outputTokens === undefined || outputTokens === 0 ? {} : { outputTokens }),
  };
}

function numberOf(text: string | undefined): number | undefined {
  const value = text === undefined ? NaN : Number(text.replaceAll(",", ""));
  return Number.isFinite(value) ? value : undefined;
}
