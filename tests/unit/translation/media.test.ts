import { describe, test } from "bun:test";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { dataUrl, mediaOfUrl, normalMediaType } from "../../../lib/translation/media.ts";

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

describe("media", () => {
  test("other URLs stay URLs", () => {
    for (const url of ["https://a.example/x.png", "gs://b/c", "data:no-comma", ""]) {
      assert.deepEqual(mediaOfUrl(url), { source: { type: "url", url } });
    }
  });

  test("data URLs of every spelling are read whole", () => {
    const png = { source: { type: "base64", data: "aGk=" }, mediaType: "image/png" };
    for (
      const url of [
        "data:image/png;base64,aGk=",
        "DATA:IMAGE/PNG;BASE64,aGk=",
        "data:image/png;charset=utf-8;base64,aGk=",
        "data:image/png; base64,aGk=",
        "data:image/png;base64,aGk%3D",
      ]
    ) assert.deepEqual(mediaOfUrl(url), png, url);
  });

  test("percent-encoded and plain text become base64 of its UTF-8 bytes", () => {
    for (
      const url of [
        "data:text/plain,h%C3%A9%20llo",
        "data:,hé llo",
        "data:,h%C3%A9 llo",
        "data:;charset=utf-8,hé%20llo",
      ]
    ) {
      assert.deepEqual(
        mediaOfUrl(url),
        { source: { type: "base64", data: base64("hé llo") }, mediaType: "text/plain" },
        url,
      );
    }
    assert.deepEqual(mediaOfUrl("data:,%C3%A9é😀%zz").source, { type: "base64", data: base64("éé😀%zz") });
    assert.deepEqual(mediaOfUrl("data:image/gif,%ff%00").source, { type: "base64", data: "/wA=" });
  });

  test("image/jpg is image/jpeg", () => {
    assert.equal(mediaOfUrl("data:image/jpg;base64,aGk=").mediaType, "image/jpeg");
    assert.equal(normalMediaType(" Image/PNG "), "image/png");
  });

  test("a data URL that was written is read back", () => {
    assert.deepEqual(mediaOfUrl(dataUrl("image/webp", "aGk=")), {
      source: { type: "base64", data: "aGk=" },
      mediaType: "image/webp",
    });
  });
});
