/**
 * The free text of a custom tool that was called as a function, read out of `{"input":"…"}` while it arrives
 * (TRANSLATION.md, 4.6 and case 36). Any chunking gives the same text.
 */
import { argumentsAsCustom } from "./arguments.ts";

const OPENING = '{"input":"';
/** The places in `OPENING` before which JSON allows white space. */
const GAPS: ReadonlySet<number> = new Set([0, 1, 8, 9]);
/** Characters kept for the reading at the end, where the text doesn't begin as expected. */
const MAX_KEPT = 8 * 1024 * 1024;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

export class CustomInput {
  /**
   * `opening`: within `{"input":"`. `string`: within the text. `closed`: after it, where nothing counts. `whole`: some
   * other JSON object, read at the end. `raw`: no JSON object, so that the text itself is the input.
   */
  #phase: "opening" | "string" | "closed" | "whole" | "raw" = "opening";
  /** How much of `OPENING` has come. */
  #at = 0;
  /** `opening`, `whole`: all of it so far. `string`: an escape that isn't complete yet. */
  #kept = "";
  /** The first half of a surrogate pair, which must not go out alone. */
  #half = "";

  /** The part of the input that is now known; often `""`. */
  feed(delta: string): string {
    switch (this.#phase) {
      case "opening":
        return this.#open(delta);
      case "string":
        return this.#read(delta);
      case "closed":
        return "";
      case "whole":
        return this.#keep(delta);
      case "raw":
        return delta;
      default:
        return this.#phase satisfies never;
    }
  }

  /** What is left when no more comes. */
  end(): string {
    const kept = this.#kept;
    this.#kept = "";
    if (this.#phase === "opening" || this.#phase === "whole") return argumentsAsCustom(kept);
    // An escape without its end is no text.
    const half = this.#half;
    this.#half = "";
    return half;
  }

  #open(delta: string): string {
    for (let i = 0; i < delta.length; i++) {
      const char = delta.charAt(i);
      if (char === OPENING[this.#at]) this.#at++;
      else if (!GAPS.has(this.#at) || !isSpace(char)) return this.#otherwise(delta);
      if (this.#at === OPENING.length) {
        this.#phase = "string";
        this.#kept = "";
        return this.#read(delta.slice(i + 1));
      }
    }
    return this.#keep(delta);
  }

  #otherwise(delta: string): string {
    // Only what begins as an object can still turn out to hold an input.
    this.#phase = this.#at === 0 ? "raw" : "whole";
    return this.#phase === "raw" ? this.#letGo(delta) : this.#keep(delta);
  }

  #keep(delta: string): string {
    if (this.#kept.length + delta.length > MAX_KEPT) {
      this.#phase = "raw";
      return this.#letGo(delta);
    }
    this.#kept += delta;
    return "";
  }

  #letGo(delta: string): string {
    const text = this.#kept + delta;
    this.#kept = "";
    return text;
  }

  #read(delta: string): string {
    const text = this.#kept + delta;
    this.#kept = "";
    let out = this.#half;
    let at = 0;
    while (at < text.length) {
      const special = nextSpecial(text, at);
      out += text.slice(at, special);
      if (special === text.length) break;
      if (text[special] === '"') {
        this.#phase = "closed";
        break;
      }
      const end = special + (text[special + 1] === "u" ? 6 : 2);
      if (end > text.length) {
        this.#kept = text.slice(special);
        break;
      }
      out += unescaped(text.slice(special, end));
      at = end;
    }
    return this.#withoutHalf(out);
  }

  #withoutHalf(out: string): string {
    const last = out.charCodeAt(out.length - 1);
    const holds = this.#phase === "string" && last >= 0xd800 && last <= 0xdbff;
    this.#half = holds ? out.slice(-1) : "";
    return holds ? out.slice(0, -1) : out;
  }
}

function nextSpecial(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5c || code === 0x22) return i;
  }
  return text.length;
}

/** An escape that JSON doesn't know stays as the model wrote it. */
function unescaped(escape: string): string {
  if (escape.length === 6) {
    return /^[0-9a-fA-F]{4}$/.test(escape.slice(2)) ? String.fromCharCode(parseInt(escape.slice(2), 16)) : escape;
  }
  return ESCAPES[escape.charAt(1)] ?? escape;
}

function isSpace(char: string): boolean {
  return char === " " || char === "\n" || char === "\t" || char === "\r";
}
