/**
 * Tools that clients name by type alone, since the model knows their arguments: with the published schema they are
 * ordinary functions for models of other makers, and the calls come back in the same shape (TRANSLATION.md, 2.5).
 * Sources: platform.claude.com/docs, "Bash tool", "Text editor tool", "Memory tool"; @anthropic-ai/sdk 1.11.0,
 * `BetaMemoryTool20250818Command`.
 */
import type { JsonObject } from "../../base/fields.ts";

export interface KnownTool {
  description: string;
  schema: JsonObject;
}

const STRING: JsonObject = { type: "string" };
const LINE: JsonObject = { type: "integer" };

function schema(required: string[], properties: JsonObject): JsonObject {
  return { type: "object", properties, required };
}

function commands(...names: string[]): JsonObject {
  return { type: "string", enum: names };
}

const BASH: KnownTool = {
  description: "Runs a command in a bash session that keeps its state between calls; `restart` starts a new one.",
  schema: schema([], { command: STRING, restart: { type: "boolean" } }),
};

function textEditor(...names: string[]): KnownTool {
  return {
    description: "Views, creates and edits text files. `view` takes `view_range`, `create` takes `file_text`, " +
      "`str_replace` takes `old_str` and `new_str`, `insert` puts `new_str` after line `insert_line`.",
    schema: schema(["command", "path"], {
      command: commands("view", "create", "str_replace", "insert", ...names),
      path: STRING,
      view_range: { type: "array", items: LINE },
      file_text: STRING,
      old_str: STRING,
      new_str: STRING,
      insert_line: LINE,
    }),
  };
}

const MEMORY: KnownTool = {
  description: "Keeps notes as files under /memories. `view` takes `path`, `create` takes `path` and `file_text`, " +
    "`str_replace` takes `path`, `old_str` and `new_str`, `insert` puts `insert_text` after line `insert_line`, " +
    "`delete` takes `path`, `rename` takes `old_path` and `new_path`.",
  schema: schema(["command"], {
    command: commands("view", "create", "str_replace", "insert", "delete", "rename"),
    path: STRING,
    view_range: { type: "array", items: LINE },
    file_text: STRING,
    old_str: STRING,
    new_str: STRING,
    insert_line: LINE,
    insert_text: STRING,
    old_path: STRING,
    new_path: STRING,
  }),
};

/** By type without its date; dates differ in what the tool can do only where the table says so. */
export function clientTool(type: string): KnownTool | undefined {
  if (type.startsWith("bash_")) return BASH;
  if (type.startsWith("memory_")) return MEMORY;
  if (type === "text_editor_20241022" || type === "text_editor_20250124") return textEditor("undo_edit");
  return type.startsWith("text_editor_") ? textEditor() : undefined;
}
