/** Whether a call's arguments are whole: nothing else in this format says where one of several calls ends. */
import { isObject } from "../../base/fields.ts";

/** A JSON object with at least one member; `{}` may still be a placeholder that the real arguments follow. */
export function isWholeObject(text: string): boolean {
  if (text.length < 4 || !text.trimEnd().endsWith("}")) return false;
  const value = parsed(text);
  return isObject(value) && Object.keys(value).length > 0;
}

/** Ends within a string, an object or an array that JSON would have closed; text that is no JSON at all is not cut. */
export function isCutJson(text: string): boolean {
  return /^\s*[{[]/.test(text) && parsed(text) === undefined && endsInside(text);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function endsInside(text: string): boolean {
  let depth = 0;
  let isString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (isString) {
      if (char === "\\") i++;
      else if (char === '"') isString = false;
    } else if (char === '"') isString = true;
    else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
  }
  return isString || depth > 0;
}
