/** A value that prints as `***` however it is printed: in templates, JSON, logs and the runtimes' own inspectors. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself; for the one place that puts it into a header. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "***";
  }

  toJSON(): string {
    return "***";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "***";
  }

  [Symbol.for("Deno.customInspect")](): string {
    return "***";
  }
}

/** `text` without any of the secrets in it. Values under eight characters are no secrets worth breaking a text for. */
export function redact(text: string, secrets: readonly Secret[]): string {
  let clean = text;
  for (const secret of secrets) {
    const value = secret.reveal();
    if (value.length >= 8 && clean.includes(value)) clean = clean.replaceAll(value, "***");
  }
  return clean;
}
