/** The names and everything they refer to, each after those that it refers to. No recursion: chains of references may be long. */
export function referencesFirst(
  names: Iterable<string>,
  referencesOf: (name: string) => readonly string[],
): ReadonlySet<string> {
  const ordered = new Set<string>()
  const begun = new Set<string>()
  const pending = [...names].reverse()
  for (let name = pending.at(-1); name !== undefined; name = pending.at(-1)) {
    const next = begun.has(name) ? [] : referencesOf(name).filter((other) => !begun.has(other) && other !== name)
    begun.add(name)
    if (next.length > 0) pending.push(...next)
    else ordered.add(pending.pop()!)
  }
  return ordered
}
