/** The bench's HTTP, wherever the network cuts it. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "bun:test";
import { AnswerReader, RequestReader } from "../../../scripts/bench/http.ts";

interface Read {
  status: number;
  body: string;
  isKept: boolean;
}

/** Each message by itself: nothing is pipelined. */
function answersIn(messages: readonly string[], size: number): { answers: Read[]; isWholeAtClose: boolean } {
  const answers: Read[] = [];
  let current = { status: 0, body: "" };
  const reader = new AnswerReader({
    onHead: (status) => void (current = { status, body: "" }),
    onBody: (bytes) => void (current.body += bytes.toString("latin1")),
    onEnd: (isKept) => void answers.push({ ...current, isKept }),
  });
  for (const part of messages.flatMap((message) => partsOf(message, size))) reader.push(part);
  return { answers, isWholeAtClose: reader.close() };
}

function partsOf(wire: string, size: number): Buffer[] {
  const bytes = Buffer.from(wire, "latin1");
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

const SIZES = [1, 2, 3, 7, 1000];
const WITH_LENGTH = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nd\r\n\r\nworld\r\n\r\nab\r\n0\r\n\r\n";

test("answers with a length and in chunks follow each other, in parts of any size", () => {
  const last = WITH_LENGTH.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
  for (const size of SIZES) {
    assert.deepEqual(answersIn([WITH_LENGTH, CHUNKED, last], size).answers, [
      { status: 200, body: "hello", isKept: true },
      { status: 200, body: "hello\r\nworld\r\n\r\nab", isKept: true },
      { status: 200, body: "hello", isKept: false },
    ]);
  }
});

test("an answer that breaks off is not whole; one without a length ends with its connection", () => {
  assert.deepEqual(answersIn([CHUNKED.slice(0, -5)], 4), { answers: [], isWholeAtClose: false });
  const { answers, isWholeAtClose } = answersIn(["HTTP/1.1 200 OK\r\n\r\nhello"], 4);
  assert.deepEqual({ answers, isWholeAtClose }, {
    answers: [{ status: 200, body: "hello", isKept: false }],
    isWholeAtClose: true,
  });
});

test("requests with a length, in chunks and without a body are read, in parts of any size", () => {
  const messages = [
    "POST /a HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
    "POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    "GET /c HTTP/1.1\r\n\r\n",
  ];
  for (const size of SIZES) {
    const requests: string[] = [];
    const reader = new RequestReader(({ path, body }) => void requests.push(`${path} ${body}`));
    for (const part of messages.flatMap((message) => partsOf(message, size))) reader.push(part);
    assert.deepEqual(requests, ["/a {}", "/b {}", "/c "]);
  }
});
