/** Texts in the pieces that are counted: short ones, and of very long texts a sample. */

/** Characters: merging a run without a break costs the square of its length. */
const LONGEST_RUN = 128;
/** Characters of one window of a sample: many words, so that its edges count for little. */
const WINDOW = 8192;

/** A text cut before spaces, where tokens begin anyway, and within long runs without one. */
export function* shortPieces(text: string): Generator<string> {
  let at = 0;
  while (text.length - at > LONGEST_RUN) {
    const space = text.lastIndexOf(" ", at + LONGEST_RUN);
    let end = space > at ? space : at + LONGEST_RUN;
    if (isLowSurrogate(text.charCodeAt(end))) end--;
    yield text.slice(at, end);
    at = end;
  }
  yield text.slice(at);
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

export interface Sample {
  texts: readonly string[];
  /** How many characters of the whole each of its own stands for. */
  scale: number;
}

/** All of the texts where they are short enough, else windows at even distances that hold about `limit` characters. */
export function sampleOf(texts: readonly string[], limit: number): Sample {
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  if (total <= limit) return { texts, scale: 1 };
  const step = Math.ceil(WINDOW * total / limit);
  const windows: string[] = [];
  let next = 0;
  let start = 0;
  for (const text of texts) {
    for (; next < start + text.length; next += step) windows.push(text.slice(next - start, next - start + WINDOW));
    start += text.length;
  }
  const taken = windows.reduce((sum, text) => sum + text.length, 0);
  return { texts: windows, scale: total / Math.max(1, taken) };
}
