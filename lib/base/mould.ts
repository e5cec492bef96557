/**
 * JSON that differs from the last of its kind in one string alone: what stands before and after that string is made once,
 * by the general way, and then only the string is.
 */
export class Mould {
  readonly #before: string;
  readonly #after: string;

  /** `make`: the general way. It must write its argument once, by `JSON.stringify`, and all else the same each time. */
  constructor(make: (text: string) => string) {
    const mark = markFor(make(""));
    const cast = make(mark);
    const at = cast.indexOf(mark);
    this.#before = cast.slice(0, at - 1);
    this.#after = cast.slice(at + mark.length + 1);
  }

  fill(text: string): string {
    return this.#before + JSON.stringify(text) + this.#after;
  }
}

/** A text that does not occur in `text`, nor makes one with what stands around it. */
function markFor(text: string): string {
  let mark = "~";
  while (text.includes(mark)) mark += "~";
  return mark;
}
