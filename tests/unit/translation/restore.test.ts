import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { NeutralEvent } from "../../../lib/neutral.ts";
import { argumentsAsCustom, customAsArguments } from "../../../lib/translation/arguments.ts";
import { CustomInput } from "../../../lib/translation/custom_input.ts";
import type { ClientTool, Restore } from "../../../lib/format.ts";
import { openRestore, restoreResponse } from "../../../lib/translation/restore.ts";
import { collect, replay } from "../../../lib/translation/whole.ts";
import {
  anyResponse,
  args,
  begin,
  beginText,
  call,
  done,
  END,
  finish,
  run,
  START,
  text,
} from "../../support/neutral.ts";

const RESTORE: Restore = new Map<string, ClientTool>([
  ["long_name_1a2b3c4d", { name: "long.name", toolKind: "function" }],
  ["ns__f", { name: "f", namespace: "ns", toolKind: "function" }],
  ["apply_patch", { name: "apply_patch", toolKind: "custom" }],
  ["renamed_1a2b3c4d", { name: "re.named", toolKind: "custom" }],
]);

describe("restore", () => {
  test("gives name, namespace and kind back and leaves the arguments of functions alone", () => {
    const out = run(openRestore(RESTORE), [
      begin(0, call("a", "long_name_1a2b3c4d")),
      args(0, '{"input":"x"}'),
      begin(1, call("b", "ns__f")),
      begin(2, call("c", "other")),
    ]);
    assert.deepEqual(out, [
      begin(0, call("a", "long.name")),
      args(0, '{"input":"x"}'),
      begin(1, call("b", "f", { namespace: "ns" })),
      begin(2, call("c", "other")),
    ]);
  });

  test("the namespace that the upstream said stands", () => {
    const [event] = run(openRestore(RESTORE), [begin(0, call("a", "long_name_1a2b3c4d", { namespace: "mine" }))]);
    assert.deepEqual(event, begin(0, call("a", "long.name", { namespace: "mine" })));
  });

  test("custom_tool_streamed: the text of a custom tool comes out as it arrives", () => {
    const stage = openRestore(RESTORE);
    const custom = call("a", "re.named", { toolKind: "custom" });
    assert.deepEqual([...stage.push(begin(0, call("a", "renamed_1a2b3c4d")))], [begin(0, custom)]);
    assert.deepEqual([...stage.push(args(0, '{"inp'))], []);
    assert.deepEqual([...stage.push(args(0, 'ut": "*** Begin'))], [args(0, "*** Begin")]);
    assert.deepEqual([...stage.push(args(0, " Patch\\"))], [args(0, " Patch")]);
    assert.deepEqual([...stage.push(args(0, 'n\\"a\\"'))], [args(0, '\n"a"')]);
    assert.deepEqual([...stage.push(args(0, '"}'))], []);
    assert.deepEqual([...stage.push(done(0))], [done(0)]);
  });

  test("interleaved calls of custom tools and functions are kept apart", () => {
    const out = run(openRestore(RESTORE), [
      begin(0, call("a", "apply_patch")),
      begin(1, call("b", "other")),
      begin(2, call("c", "apply_patch")),
      args(0, '{"input":"one'),
      args(1, '{"input":"raw"}'),
      args(2, '{"input":"two"}'),
      args(0, '"}'),
      done(0),
      done(1),
      done(2),
    ]);
    assert.deepEqual(out.filter((event) => event.t === "arguments"), [
      args(0, "one"),
      args(1, '{"input":"raw"}'),
      args(2, "two"),
    ]);
  });

  test("a custom call that came as one is left as it is", () => {
    const custom = call("a", "apply_patch", { toolKind: "custom" });
    const events = [begin(0, custom), args(0, '{"input":"x"}'), done(0)];
    assert.deepEqual(run(openRestore(RESTORE), events), events);
  });

  test("arguments of another form stay the raw text", () => {
    for (const raw of ["*** Begin Patch", "", "{}", '{"input":5}', '{"command":"ls"}', '["input"]', '{"inp', '"x"']) {
      const out = run(openRestore(RESTORE), [begin(0, call("a", "apply_patch")), args(0, raw), done(0)]);
      assert.equal(argumentsIn(out), raw);
    }
  });

  test("an input that isn't the first member, or whose name is escaped, is found at the end", () => {
    for (const raw of ['{"note":1,"input":"x"}', '{"\\u0069nput":"x"}']) {
      const out = run(openRestore(RESTORE), [begin(0, call("a", "apply_patch")), args(0, raw), done(0)]);
      assert.equal(argumentsIn(out), "x");
    }
  });

  test("arguments that were cut off end where they were cut", () => {
    const out = run(openRestore(RESTORE), [begin(0, call("a", "apply_patch")), args(0, '{"input":"ab\\u00'), done(0)]);
    assert.equal(argumentsIn(out), "ab");
  });

  test("a whole answer is restored like its stream", () => {
    fc.assert(fc.property(anyResponse, fc.string(), (response, input) => {
      const first = response.candidates[0];
      first?.parts.push(
        call("x", "apply_patch", { arguments: customAsArguments(input) }),
        call("y", "ns__f", { arguments: "{}" }),
      );
      const whole = restoreResponse(response, RESTORE);
      const streamed = collect(run(openRestore(RESTORE), replay(response)));
      assert.ok(streamed.ok);
      assert.deepEqual(whole, streamed.value);
      assert.equal(
        whole.candidates[0]?.parts.some((part) => part.kind === "tool_call" && part.arguments === input),
        true,
      );
    }));
  });

  test("with nothing to restore it is the identity", () => {
    const events = [
      START,
      begin(0, call("a", "f")),
      args(0, "{}"),
      done(0),
      beginText(1),
      text(1, "a"),
      done(1),
      finish(),
    ];
    const stage = openRestore(new Map());
    for (const event of [...events, END]) assert.equal([...stage.push(event)][0], event);
  });
});

describe("CustomInput", () => {
  test("any text, any escapes, any white space, any chunking: the text that JSON.parse finds", () => {
    const json = fc.tuple(fc.string({ unit: "binary" }), spaces(), fc.nat(3), fc.string()).map(
      ([input, space, style, more]) => {
        const member = style === 3 ? `,${JSON.stringify("more" + more)}:1` : "";
        return `${space(0)}{${space(1)}"input"${space(2)}:${space(3)}${quoted(input, style)}${space(4)}${member}}${
          space(5)
        }`;
      },
    );
    fc.assert(fc.property(json, fc.array(fc.integer({ min: 1, max: 7 })), (text, cuts) => {
      assert.equal(inPieces(text, cuts).join(""), argumentsAsCustom(text));
    }));
  });

  test("no piece ends in half a character", () => {
    const text = '{"input":"a\\ud83d\\ude00b😀c"}';
    for (const piece of inPieces(text, [1])) assert.ok(piece.isWellFormed(), JSON.stringify(piece));
    assert.equal(inPieces(text, [1]).join(""), "a😀b😀c");
  });

  test("an escape that JSON doesn't know stays as it was written", () => {
    assert.equal(inPieces('{"input":"\\d+ \\u12xy"}', [1]).join(""), "\\d+ \\u12xy");
  });

  test("a line break that should have been escaped is taken as it is", () => {
    assert.equal(inPieces('{"input":"a\nb"}', [4]).join(""), "a\nb");
  });

  test("text that can't be an object passes at once", () => {
    const input = new CustomInput();
    assert.equal(input.feed(" \n"), "");
    assert.equal(input.feed("ls"), " \nls");
    assert.equal(input.feed(" -l"), " -l");
    assert.equal(input.end(), "");
  });
});

function argumentsIn(events: readonly NeutralEvent[]): string {
  return events.map((event) => event.t === "arguments" ? event.delta : "").join("");
}

function inPieces(text: string, cuts: readonly number[]): string[] {
  const input = new CustomInput();
  const out: string[] = [];
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const length = cuts.length === 0 ? text.length : cuts[turn % cuts.length] ?? 1;
    out.push(input.feed(text.slice(at, at + length)));
    at += length;
  }
  return [...out, input.end()];
}

function spaces(): fc.Arbitrary<(index: number) => string> {
  const space = fc.array(fc.constantFrom(" ", "\n", "\t", "\r"), { maxLength: 2 }).map((list) => list.join(""));
  return fc.array(space, { minLength: 6, maxLength: 6 }).map((list) => (index: number) => list[index] ?? "");
}

/** JSON strings as different writers write them. */
function quoted(text: string, style: number): string {
  const plain = JSON.stringify(text);
  if (style === 1) return plain.replaceAll("/", "\\/");
  if (style !== 2) return plain;
  const units = text.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return `"${units.join("")}"`;
}
