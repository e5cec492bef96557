/** Members that say nothing: leaving them out loses nothing. Null, and the empty lists that SDKs echo. */
export function saysNothing(value: unknown): boolean {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}
