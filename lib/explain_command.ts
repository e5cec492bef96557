/** `main.ts explain`: a request on stdin, by the same way as a client's, and what would become of it, in text. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { fail, invalid, type Result, success } from "./base/failure.ts";
import { isObject } from "./base/fields.ts";
import { parseJson } from "./base/json.ts";
import type { Log, LogFields } from "./base/log.ts";
import type { Config } from "./config.ts";
import { FORMATS } from "./formats/mod.ts";
import { createGateway } from "./gateway.ts";

export interface ExplainOptions {
  /** The client's format. */
  as?: string;
  /** A file that holds an upstream's answer. */
  answer?: string;
  /** Refuse instead of losing anything. */
  strict: boolean;
}

/** What the process prints and ends with. */
export interface Explained {
  /** 0: it would be answered; 1: it would be refused; 2: there is nothing to explain. */
  code: number;
  out: string;
  err: string;
}

const REFUSED = 1;
const NOTHING = 2;

export async function explainOnce(config: Config, options: ExplainOptions): Promise<Explained> {
  const asked = readInputs(options);
  if (!asked.ok) return { code: NOTHING, out: "", err: `${asked.failure.message}\n` };
  const { path, body, answer } = asked.value;
  const headers = {
    "content-type": "application/json",
    ...(options.strict ? { "x-trivium-strict": "1" } : {}),
    ...(answer === undefined ? { "x-trivium-explain": "1" } : {}),
  };
  const request = new Request(`http://localhost/v1${path}`, { method: "POST", headers, body });
  return await (answer === undefined ? shownPlan(config, request) : shownAnswer(config, request, answer));
}

interface Inputs {
  path: string;
  body: Uint8Array<ArrayBuffer>;
  answer?: Response;
}

function readInputs(options: ExplainOptions): Result<Inputs> {
  const format = Object.values(FORMATS).find(({ name }) => name === options.as);
  if (format === undefined) {
    const got = options.as === undefined ? "" : `, not --as ${options.as}`;
    return fail(invalid(`explain needs --as chat, --as messages or --as responses${got}`));
  }
  const answer = options.answer === undefined ? success(undefined) : answerFile(options.answer);
  if (!answer.ok) return answer;
  const body = readRequest(format.name);
  if (!body.ok) return body;
  return success({
    path: format.path,
    body: body.value,
    ...(answer.value === undefined ? {} : { answer: answer.value }),
  });
}

function readRequest(as: string): Result<Uint8Array<ArrayBuffer>> {
  const hint = `explain reads the request's JSON from stdin: explain --as ${as} < request.json`;
  if (process.stdin.isTTY) return fail(invalid(hint));
  try {
    const bytes = new Uint8Array(readFileSync(0));
    return /\S/.test(new TextDecoder().decode(bytes))
      ? success(bytes)
      : fail(invalid(`There is nothing on stdin; ${hint}`));
  } catch (error) {
    return fail(invalid(`stdin can't be read (${(error as Error).message}); ${hint}`));
  }
}

/** A file as an upstream's answer, by its ending. */
function answerFile(path: string): Result<Response> {
  const type = path.endsWith(".sse") ? "text/event-stream" : path.endsWith(".json") ? "application/json" : undefined;
  if (type === undefined) return fail(invalid(`${path}: an answer's file ends in .sse or .json`));
  try {
    return success(new Response(new Uint8Array(readFileSync(path)), { headers: { "content-type": type } }));
  } catch (error) {
    return fail(invalid(`${path}: can't be read: ${(error as Error).message}`));
  }
}

async function shownPlan(config: Config, request: Request): Promise<Explained> {
  const response = await createGateway(config).handle(request);
  const shown = parseJson(await response.text());
  const isRefused = !response.ok || (isObject(shown) && shown["refused"] !== undefined);
  return { code: isRefused ? REFUSED : 0, out: `${JSON.stringify(shown, null, 2)}\n`, err: "" };
}

/** The body alone on stdout, so that it can be compared with a real one; status, own headers and losses on stderr. */
async function shownAnswer(config: Config, request: Request, answer: Response): Promise<Explained> {
  const log = new LossLog();
  const gateway = createGateway(config, { log });
  const response = await gateway.handleWith(request, answer);
  const out = await response.text();
  await gateway.idle();
  const headers = [...response.headers].filter(([name]) => name.startsWith("x-trivium-") && !name.endsWith("-id"));
  const head = [`HTTP ${response.status}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  return { code: response.ok ? 0 : REFUSED, out, err: `${[...head, ...log.lines].join("\n")}\n` };
}

/** Keeps what the log says of losses, those found within a stream included. */
class LossLog implements Log {
  readonly lines: string[] = [];

  info(event: string, fields: LogFields = {}): void {
    if (event === "loss") this.lines.push(`loss: ${JSON.stringify(fields["losses"])}`);
  }
  warn(): void {}
  error(): void {}
  setLevel(): void {}
  flush(): void {}
}
