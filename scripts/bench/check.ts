/**
 * Is a stream whole? Every piece is compared with what the mock says, in order, so that a delta that is missing, doubled
 * or changed shows; so does an event out of order and an end without the format's terminal event.
 */
import { type FormatName, type Script, type Spoken, spoken } from "./content.ts";
import { GRAMMARS } from "./grammars.ts";

export type Kind = "thinking" | "text" | "arguments";

/** What is to be said, each kind in one piece. */
export type Expected = Readonly<Record<Kind, string>> & { readonly deltas: number };

export function expectedOf(script: Script): Expected {
  const said: Spoken = spoken(script);
  const calls = said.calls.flatMap(({ pieces }) => pieces);
  return {
    thinking: said.thinking.join(""),
    text: said.text.join(""),
    arguments: calls.join(""),
    deltas: said.thinking.length + said.text.length + calls.length,
  };
}

/** One format's order of events; it tells deltas and faults to the check. */
export interface Grammar {
  see(event: object, raw: string): void;
  /** `[DONE]` has come. */
  done(): void;
  /** What is missing at the end. */
  end(): string | undefined;
}

export class StreamCheck {
  /** Deltas so far, of all kinds. */
  deltas = 0;
  /** The first thing that was wrong, in a word and a detail. */
  fault: string | undefined;
  readonly #at: Record<Kind, number> = { thinking: 0, text: 0, arguments: 0 };
  readonly #decoder = new TextDecoder();
  readonly #grammar: Grammar;
  #rest = "";

  constructor(format: FormatName, readonly expected: Expected) {
    this.#grammar = GRAMMARS[format](this);
  }

  push(bytes: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data:")) this.#see(line.slice(5).trim());
  }

  /** What was wrong with the whole stream. */
  end(): string | undefined {
    if (this.#rest !== "") this.fail("cut", "the last line has no end");
    const missing = this.#grammar.end();
    if (missing !== undefined) this.fail("terminal", missing);
    for (const kind of ["thinking", "text", "arguments"] as const) {
      const [had, wanted] = [this.#at[kind], this.expected[kind].length];
      if (had !== wanted) this.fail("content", `${had} of ${wanted} characters of ${kind}`);
    }
    if (this.deltas !== this.expected.deltas) {
      this.fail("deltas", `${this.deltas} instead of ${this.expected.deltas}`);
    }
    return this.fault;
  }

  /** For grammars: a delta has come. */
  said(kind: Kind, piece: unknown): void {
    if (typeof piece !== "string") return this.fail("content", `${kind} is no text`);
    if (piece === "") return;
    this.deltas++;
    if (!this.expected[kind].startsWith(piece, this.#at[kind])) this.fail("content", `other ${kind} than was sent`);
    this.#at[kind] += piece.length;
  }

  fail(word: string, detail: string): void {
    this.fault ??= `${word}: ${detail}`;
  }

  /** Fails unless `holds`. */
  need(holds: boolean, detail: string): void {
    if (!holds) this.fail("order", detail);
  }

  #see(data: string): void {
    if (data === "[DONE]") return this.#grammar.done();
    let value: unknown;
    try {
      value = JSON.parse(data);
    } catch {
      return this.fail("json", data.slice(0, 200));
    }
    if (typeof value !== "object" || value === null) return this.fail("json", data.slice(0, 200));
    this.#grammar.see(value, data);
  }
}
