/** Reads `x-trivium-loss` as a client does: commas part entries, semicolons their members. */

export interface ToldLoss {
  path: string;
  reason?: string;
  emulated: boolean;
  answer: boolean;
}

export function readLossHeader(value: string | null): ToldLoss[] {
  return (value ?? "").split(", ").filter((entry) => entry !== "").map((entry) => {
    const [path = "", ...members] = entry.split(";");
    const reason = members.find((member) => member.startsWith("reason="))?.slice("reason=".length).replace(
      /^"|"$/g,
      "",
    );
    return {
      path,
      ...(reason === undefined ? {} : { reason }),
      emulated: members.includes("emulated"),
      answer: members.includes("answer"),
    };
  });
}

/** The paths alone, in order. */
export function lostPaths({ headers }: { headers: Headers }): string[] {
  return readLossHeader(headers.get("x-trivium-loss")).map(({ path }) => path);
}
