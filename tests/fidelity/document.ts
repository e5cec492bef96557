/** The probes' outcomes as docs/FIDELITY.md: made by the tests, and held to what they find. */
import type { FormatName } from "../../lib/neutral.ts";
import { CLIENTS } from "../recordings/translate.ts";
import { exploreAnswers, type StopRow, stopRows } from "./answers.ts";
import { type EventRow, eventRows } from "./events.ts";
import type { Cell, Explorer, Kind, Row } from "./explore.ts";
import { exploreRequests } from "./requests.ts";

const SIGNS: Readonly<Record<Kind, string>> = {
  carried: "✓",
  emulated: "≈",
  partly: "◐",
  refused: "✗",
  dropped: "–",
  moot: "·",
  silent: "‼ lost in silence:",
};

const INTRO = `# Fidelity

What becomes of every field of every format, for each pair. **Made by the tests** (\`bun run fidelity\`; a test fails while this
file is stale): each field that the official SDKs declare (openai and @anthropic-ai/sdk in \`package.json\`, betas included) is
sent once with and once without through the gateway's own decoders and encoders, and what differs, what is named as lost and
what is refused is written down here. A field that would get lost without a word fails the tests.

| sign | means |
|---|---|
| ✓ | carried |
| ≈ | emulated: something that comes close stands in for it, and \`x-trivium-loss\` says \`emulated\` or the gateway does it itself |
| ◐ | carried in part, and the rest is named in \`x-trivium-loss\` |
| ✗ | refused: a 400 that names it (an answer: told as an error) |
| – | dropped, and named in \`x-trivium-loss\` with this reason |
| · | nothing to carry, for this reason |

A blank cell: what holds the field isn't carried there, so that the field goes with it. Where client and upstream speak the same
format, bytes pass: everything is carried. The models here can do all that their format can say; what a model refuses is lost by
name too, by \`lib/capabilities.ts\`. \`a[text].b\`: member \`b\` of an element of \`a\` whose type is \`text\`; \`a(function)\`: \`a\` where
it is an object of that type; \`a: "x"\`: this value of it. What the gateway keeps (\`previous_response_id\`, \`conversation\`,
\`item_reference\`, \`background\`: see the README) it puts in before a request comes here; what is left is what it doesn't know.
`;

const NAMES: Readonly<Record<FormatName, string>> = {
  chat: "Chat Completions",
  messages: "Messages",
  responses: "Responses",
};

const EVENTS =
  `Chat's streams have one kind of event, whose members are those of the answers above. An event of the other two is sent once
with and once without among those that it needs. ✓: it changes what the client gets, ·: it doesn't, as all it says is told anyway.
`;

export interface Found {
  requests: Map<FormatName, Explorer>;
  answers: Map<FormatName, Explorer>;
  stops: Map<FormatName, StopRow[]>;
  events: Map<FormatName, EventRow[]>;
}

export function findAll(): Found {
  const each = <T>(by: (format: FormatName) => T) => new Map(CLIENTS.map((format) => [format, by(format)]));
  return {
    requests: each(exploreRequests),
    answers: each(exploreAnswers),
    stops: each(stopRows),
    events: each(eventRows),
  };
}

export function documentOf({ requests, answers, stops, events }: Found): string {
  const sections = [
    ...[...requests].map(([format, explorer]) => section(`Requests of ${NAMES[format]} clients`, explorer)),
    ...[...answers].map(([format, explorer]) => section(`Answers of ${NAMES[format]} upstreams`, explorer)),
    `## Why an answer ended\n\n${[...stops].map(([format, rows]) => stopTable(format, rows)).join("\n\n")}\n`,
    `## Events of streams\n\n${EVENTS}\n${
      [...events].filter(([, rows]) => rows.length > 0).map(([format, rows]) => eventTable(format, rows)).join("\n\n")
    }\n`,
  ];
  return `${INTRO}\n${sections.join("\n")}`;
}

function section(title: string, { rows, subject }: Explorer): string {
  const columns = subject.columns.map(({ name }) => name);
  const lines = rows.map((row) =>
    `| \`${escaped(row.path)}\` | ${columns.map((name) => cellText(row, name)).join(" | ")} |`
  );
  return `## ${title}\n\n${table(["field", ...columns])}\n${lines.join("\n")}\n`;
}

function table(heads: readonly string[]): string {
  return `| ${heads.join(" | ")} |\n|${"---|".repeat(heads.length)}`;
}

function cellText(row: Row, column: string): string {
  const cell = row.cells.get(column);
  return cell === undefined ? "" : shown(cell);
}

/** What a probe made up says nothing to readers. */
function shown({ kind, note }: Cell): string {
  const plain = note.replace(/zq\d{4}zq(?: zq\d{4}zq)?/g, "…").replace(/ ?\((?:messages|input|tools)\[[^)]*\)/g, "");
  return escaped(`${SIGNS[kind]} ${plain}`.trim());
}

function escaped(text: string): string {
  return text.replace(/\|/g, "\\|");
}

function stopTable(format: FormatName, rows: readonly StopRow[]): string {
  const clients = CLIENTS.filter((client) => client !== format);
  const lines = rows.map(({ word, told }) =>
    `| \`${word}\` | ${
      clients.map((client) => `\`${told.get(client) ?? ""}\``.replace(/ \((.*)\)`$/, "` ($1)")).join(" | ")
    } |`
  );
  return `${table([`${NAMES[format]} upstream`, ...clients.map((client) => `${client} client`)])}\n${lines.join("\n")}`;
}

function eventTable(format: FormatName, rows: readonly EventRow[]): string {
  const clients = CLIENTS.filter((client) => client !== format);
  const lines = rows.map(({ event, carried, why }) =>
    `| \`${event}\` | ${clients.map((client) => carried.get(client) === true ? "✓" : `· ${why}`).join(" | ")} |`
  );
  return `${table([`${NAMES[format]} upstream`, ...clients.map((client) => `${client} client`)])}\n${lines.join("\n")}`;
}
