/** Names as the config may write them: exact, or a pattern with one `*`. */

/** What the pattern's `*` matched, `""` for an exact name, undefined where it doesn't match. */
export function caughtBy(pattern: string, name: string): string | undefined {
  const star = pattern.indexOf("*");
  if (star === -1) return pattern === name ? "" : undefined;
  const head = pattern.slice(0, star);
  const tail = pattern.slice(star + 1);
  const fits = name.length >= head.length + tail.length && name.startsWith(head) && name.endsWith(tail);
  return fits ? name.slice(head.length, name.length - tail.length) : undefined;
}

export function fits(pattern: string, name: string): boolean {
  return caughtBy(pattern, name) !== undefined;
}
