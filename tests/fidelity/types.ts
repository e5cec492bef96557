/**
 * The official SDKs' type declarations, read: what each format's requests and answers may hold, as their makers say it.
 * A reader for the declarations that the SDKs' generator writes (interfaces, namespaces, unions), not for all of TypeScript.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export type Type =
  | { kind: "literal"; value: string | number | boolean }
  | { kind: "string" | "number" | "boolean" | "null" | "unknown" }
  | { kind: "array"; of: Type }
  | { kind: "record"; of: Type }
  | { kind: "object"; name: string; members: Member[] }
  | { kind: "union"; of: Type[] }
  /** `scope`: the namespaces that it stands in, `module`: the file. */
  | { kind: "ref"; name: string; scope: string; module: Module };

export interface Member {
  name: string;
  isOptional: boolean;
  type: Type;
}

interface Declaration {
  type: Type;
  extended: Type[];
}

const PACKAGES = fileURLToPath(new URL("../../node_modules/", import.meta.url));

const modules = new Map<string, Module>();

/** `file`: within `node_modules`, such as `openai/resources/shared.d.ts`. */
export function openModule(file: string): Module {
  const known = modules.get(file);
  if (known !== undefined) return known;
  const module = new Module(file, readFileSync(join(PACKAGES, file), "utf8"));
  modules.set(file, module);
  return module;
}

export class Module {
  readonly #declarations: Map<string, Declaration>;
  /** `import * as Shared from "../shared.js"`: `Shared` → the file. */
  readonly #imports = new Map<string, string>();

  constructor(readonly file: string, text: string) {
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
    for (const [, name = "", from = ""] of code.matchAll(/^import \* as (\w+) from "([^"]+)";/gm)) {
      this.#imports.set(name, join(dirname(file), from.replace(/\.js$/, ".d.ts")));
    }
    this.#declarations = new Reader(code.replace(/^(?:import|export \{)[^;]*;/gm, ""), this).read();
  }

  /** A type by its name, as it is seen from within `scope`; undefined where this reader doesn't know it. */
  find(name: string, scope = ""): Type | undefined {
    for (let at = scope;; at = at.slice(0, Math.max(0, at.lastIndexOf(".")))) {
      const found = this.#declarations.get(at === "" ? name : `${at}.${name}`);
      if (found !== undefined) return whole(found);
      if (at === "") break;
    }
    const [alias = "", ...rest] = name.split(".");
    const file = this.#imports.get(alias);
    return file === undefined || rest.length === 0 ? undefined : openModule(file).find(rest.join("."));
  }
}

/** With the members of what it extends before its own. */
function whole({ type, extended }: Declaration): Type {
  if (type.kind !== "object" || extended.length === 0) return type;
  const inherited = extended.flatMap((base) => {
    const resolved = resolve(base);
    return resolved.kind === "object" ? resolved.members : [];
  });
  const own = new Set(type.members.map(({ name }) => name));
  return { ...type, members: [...inherited.filter(({ name }) => !own.has(name)), ...type.members] };
}

/** What a reference stands for, however many there are in a row. */
export function resolve(type: Type): Type {
  if (type.kind !== "ref") return type;
  const found = type.module.find(type.name, type.scope);
  return found === undefined ? { kind: "unknown" } : resolve(found);
}

/** The branches of a union, flat; any other type alone. */
export function branchesOf(type: Type): Type[] {
  const resolved = resolve(type);
  return resolved.kind === "union" ? resolved.of.flatMap(branchesOf) : [resolved];
}

class Reader {
  readonly #tokens: string[];
  readonly #module: Module;
  readonly #declarations = new Map<string, Declaration>();
  #at = 0;

  constructor(code: string, module: Module) {
    this.#tokens = code.match(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\w$]+|=>|\.\.\.|[^\s\w]/g) ?? [];
    this.#module = module;
  }

  read(): Map<string, Declaration> {
    this.#declarationsIn("");
    return this.#declarations;
  }

  #peek(ahead = 0): string {
    return this.#tokens[this.#at + ahead] ?? "";
  }

  #take(): string {
    return this.#tokens[this.#at++] ?? "";
  }

  #accept(token: string): boolean {
    const isThere = this.#peek() === token;
    if (isThere) this.#at++;
    return isThere;
  }

  #declarationsIn(scope: string): void {
    while (this.#at < this.#tokens.length && this.#peek() !== "}") {
      const word = this.#take();
      if (word === "interface") this.#interface(scope);
      else if (word === "namespace") this.#namespace(scope);
      else if (word === "type" && this.#peek(1) !== ",") this.#alias(scope);
      else if (word === "class" || word === "function" || word === "const") this.#skipDeclaration();
      else if (word === "{") this.#skipBlock();
    }
  }

  #namespace(scope: string): void {
    const name = this.#take();
    this.#accept("{");
    this.#declarationsIn(scope === "" ? name : `${scope}.${name}`);
    this.#accept("}");
  }

  #interface(scope: string): void {
    const name = this.#take();
    this.#skipParameters();
    const extended: Type[] = [];
    if (this.#accept("extends")) { do extended.push(this.#primary(scope)); while (this.#accept(",")); }
    const full = scope === "" ? name : `${scope}.${name}`;
    this.#declarations.set(full, { type: this.#object(scope, full), extended });
  }

  #alias(scope: string): void {
    const name = this.#take();
    this.#skipParameters();
    if (!this.#accept("=")) return;
    this.#declarations.set(scope === "" ? name : `${scope}.${name}`, { type: this.#union(scope), extended: [] });
    while (this.#at < this.#tokens.length && this.#take() !== ";");
  }

  #skipParameters(): void {
    if (!this.#accept("<")) return;
    for (let depth = 1; depth > 0 && this.#at < this.#tokens.length;) {
      const token = this.#take();
      depth += token === "<" ? 1 : token === ">" ? -1 : 0;
    }
  }

  #skipDeclaration(): void {
    while (this.#at < this.#tokens.length && this.#peek() !== "{" && this.#peek() !== ";") this.#at++;
    if (this.#take() === "{") this.#skipBlock();
  }

  /** Behind its opening brace. */
  #skipBlock(): void {
    for (let depth = 1; depth > 0 && this.#at < this.#tokens.length;) {
      const token = this.#take();
      depth += token === "{" ? 1 : token === "}" ? -1 : 0;
    }
  }

  #object(scope: string, name: string): Type {
    this.#accept("{");
    const members: Member[] = [];
    let record: Type | undefined;
    while (this.#at < this.#tokens.length && !this.#accept("}")) {
      if (this.#accept("[")) {
        while (!this.#accept("]")) this.#at++;
        this.#accept(":");
        record = this.#union(scope);
      } else {
        const key = this.#take().replace(/^['"]|['"]$/g, "");
        const isOptional = this.#accept("?");
        this.#accept(":");
        members.push({ name: key, isOptional, type: this.#union(scope) });
      }
      this.#accept(";");
    }
    return members.length === 0 && record !== undefined
      ? { kind: "record", of: record }
      : { kind: "object", name, members };
  }

  #union(scope: string): Type {
    this.#accept("|");
    const of = [this.#suffixed(scope)];
    while (this.#accept("|")) of.push(this.#suffixed(scope));
    return of.length === 1 ? of[0] as Type : { kind: "union", of };
  }

  /** `X & {}` is X; `X[]` a list of it. */
  #suffixed(scope: string): Type {
    let type = this.#primary(scope);
    for (;;) {
      if (this.#accept("&")) this.#primary(scope);
      else if (this.#peek() === "[" && this.#peek(1) === "]") {
        this.#at += 2;
        type = { kind: "array", of: type };
      } else if (this.#accept("[")) {
        while (!this.#accept("]")) this.#at++;
        type = { kind: "unknown" };
      } else return type;
    }
  }

  #primary(scope: string): Type {
    const token = this.#peek();
    if (token === "{") return this.#object(scope, "");
    if (token === "(") {
      this.#at++;
      const inner = this.#union(scope);
      this.#accept(")");
      return inner;
    }
    this.#at++;
    if (/^['"]/.test(token)) return { kind: "literal", value: token.slice(1, -1) };
    if (/^\d/.test(token)) return { kind: "literal", value: Number(token) };
    if (token === "true" || token === "false") return { kind: "literal", value: token === "true" };
    if (token === "string" || token === "number" || token === "boolean" || token === "null") return { kind: token };
    return this.#named(token, scope);
  }

  #named(first: string, scope: string): Type {
    let name = first;
    while (this.#accept(".")) name += `.${this.#take()}`;
    if (this.#peek() !== "<") return { kind: "ref", name, scope, module: this.#module };
    if (name !== "Array" && name !== "Record") {
      this.#skipParameters();
      return { kind: "unknown" };
    }
    this.#at++;
    const parameters = [this.#union(scope)];
    while (this.#accept(",")) parameters.push(this.#union(scope));
    this.#accept(">");
    const of = parameters.at(-1) as Type;
    return name === "Array" ? { kind: "array", of } : { kind: "record", of };
  }
}
