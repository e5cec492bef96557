/**
 * Rate limit headers of an answer in its client's own words (TRANSLATION.md, section 5). OpenAI's family counts the time
 * to the reset (`x-ratelimit-reset-requests: 1m30s`), Anthropic's names its moment (`anthropic-ratelimit-requests-reset:
 * 2026-11-05T12:00:00Z`); both know the limit and the remainder of requests and of tokens. An answer never holds both
 * families: a client would take them for two limits.
 */
import type { FormatName } from "../neutral.ts";

type Family = "openai" | "anthropic";

const FAMILY: Readonly<Record<FormatName, Family>> = { chat: "openai", messages: "anthropic", responses: "openai" };
const PREFIX: Readonly<Record<Family, string>> = { openai: "x-ratelimit-", anthropic: "anthropic-ratelimit-" };

/** What both families count. */
const COUNTED = ["requests", "tokens"] as const;

/** Whether a header is of either family; names are in lower case. */
export function isRateLimit(name: string): boolean {
  return name.startsWith(PREFIX.openai) || name.startsWith(PREFIX.anthropic);
}

/**
 * The headers for a client of this format: those of its own family as they are, else the other family's converted.
 * `now`: Unix milliseconds, which resets are counted from.
 */
export function rateLimitHeaders(from: Headers, client: FormatName, now: number): Record<string, string> {
  const family = FAMILY[client];
  const own: Record<string, string> = {};
  from.forEach((value, name) => {
    if (name.startsWith(PREFIX[family])) own[name] = value;
  });
  return Object.keys(own).length > 0 ? own : converted(from, family, now);
}

function converted(from: Headers, to: Family, now: number): Record<string, string> {
  const source: Family = to === "openai" ? "anthropic" : "openai";
  const found: Record<string, string> = {};
  for (const counted of COUNTED) {
    for (const member of ["limit", "remaining", "reset"] as const) {
      const value = from.get(nameOf(source, counted, member));
      if (value === null) continue;
      const told = member === "reset" ? convertReset(value, to, now) : value;
      if (told !== undefined) found[nameOf(to, counted, member)] = told;
    }
  }
  return found;
}

function nameOf(family: Family, counted: string, member: string): string {
  return PREFIX[family] + (family === "openai" ? `${member}-${counted}` : `${counted}-${member}`);
}

/** Undefined where the upstream's word is neither: a reset that isn't known is not told. */
function convertReset(value: string, to: Family, now: number): string | undefined {
  if (to === "anthropic") {
    const wait = durationOf(value);
    return wait === undefined ? undefined : momentText(now + wait);
  }
  const moment = Date.parse(value);
  return Number.isNaN(moment) ? undefined : durationText(Math.max(0, moment - now));
}

const DURATION = /^(?=.)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const UNITS = [24 * HOUR, HOUR, MINUTE, SECOND, 1];

/** Milliseconds of `1h2m3.5s` and the like; a number alone is seconds. */
function durationOf(text: string): number | undefined {
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * SECOND;
  const match = DURATION.exec(text);
  if (match === null) return undefined;
  return UNITS.reduce((sum, unit, index) => sum + unit * Number(match[index + 1] ?? 0), 0);
}

/** RFC 3339 in whole seconds, not before the moment itself. */
function momentText(moment: number): string {
  return new Date(Math.ceil(moment / SECOND) * SECOND).toISOString().replace(".000Z", "Z");
}

/** As OpenAI writes it: `1h2m3s`, `6m0s`, `1.5s`, `20ms`. */
function durationText(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < SECOND) return `${ms}ms`;
  const hours = Math.floor(ms / HOUR);
  const minutes = Math.floor((ms % HOUR) / MINUTE);
  const seconds = (ms % MINUTE) / SECOND;
  return `${hours > 0 ? `${hours}h` : ""}${ms >= MINUTE ? `${minutes}m` : ""}${seconds}s`;
}
