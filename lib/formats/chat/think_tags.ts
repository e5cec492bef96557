/**
 * Thinking that a model writes into its text as `<think>…</think>` (TRANSLATION.md, 4.5; flag `think_tags`), told apart
 * while it streams. Only what stands at the very beginning is thinking: later tags are part of the text.
 */

export interface Piece {
  kind: "reasoning" | "text";
  text: string;
}

const OPEN = "<think>";
const CLOSE = "</think>";

export class ThinkTags {
  #phase: "start" | "thinking" | "after" | "text" = "start";
  /** What can't be told yet: white space or the beginning of a tag. */
  #held = "";

  feed(delta: string): Piece[] {
    switch (this.#phase) {
      case "start":
        return this.#begin(this.#take(delta));
      case "thinking":
        return this.#think(this.#take(delta));
      case "after":
        return this.#follow(delta);
      case "text":
        return pieces("text", delta);
      default:
        return this.#phase satisfies never;
    }
  }

  /** What was held back, at the end of the answer. */
  end(): Piece[] {
    return pieces(this.#phase === "thinking" ? "reasoning" : "text", this.#take(""));
  }

  #take(delta: string): string {
    const text = this.#held + delta;
    this.#held = "";
    return text;
  }

  #begin(text: string): Piece[] {
    const trimmed = text.trimStart();
    if (trimmed.startsWith(OPEN)) {
      this.#phase = "thinking";
      return this.#think(trimmed.slice(OPEN.length));
    }
    if (OPEN.startsWith(trimmed)) {
      this.#held = text;
      return [];
    }
    this.#phase = "text";
    return pieces("text", text);
  }

  #think(text: string): Piece[] {
    const close = text.indexOf(CLOSE);
    if (close !== -1) {
      this.#phase = "after";
      return [...pieces("reasoning", text.slice(0, close)), ...this.#follow(text.slice(close + CLOSE.length))];
    }
    const held = partialClose(text);
    this.#held = text.slice(text.length - held);
    return pieces("reasoning", text.slice(0, text.length - held));
  }

  /** The blank lines between the thinking and the text belong to neither. */
  #follow(delta: string): Piece[] {
    const text = delta.trimStart();
    if (text !== "") this.#phase = "text";
    return pieces("text", text);
  }
}

function pieces(kind: Piece["kind"], text: string): Piece[] {
  return text === "" ? [] : [{ kind, text }];
}

function partialClose(text: string): number {
  for (let length = Math.min(CLOSE.length - 1, text.length); length > 0; length--) {
    if (CLOSE.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}
