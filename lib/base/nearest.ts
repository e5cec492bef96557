/** Names like a misspelt one, for "did you mean". */

/** At most `limit` of `names` that are near enough to be meant, nearest first. */
export function nearest(name: string, names: readonly string[], limit = 1): string[] {
  const wanted = name.toLowerCase();
  return names
    .map((candidate) => ({ candidate, distance: nearness(wanted, candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.max(2, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance || a.candidate.localeCompare(b.candidate))
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}

/** Edit distance; a name that begins or ends with the wanted one counts as near. */
function nearness(wanted: string, candidate: string): number {
  if (wanted.length > 64 || candidate.length > 64) return wanted === candidate ? 0 : Infinity;
  if (wanted.length >= 3 && (candidate.startsWith(wanted) || candidate.endsWith(wanted))) return 1;
  let row = Array.from({ length: candidate.length + 1 }, (_, index) => index);
  for (let i = 1; i <= wanted.length; i++) {
    const next = [i];
    for (let j = 1; j <= candidate.length; j++) {
      const change = (row[j - 1] as number) + (wanted[i - 1] === candidate[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[candidate.length] as number;
}
