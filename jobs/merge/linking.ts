/** An identity of a graph. `priority` counts from 1, the most important namespace. */
export type LinkedIdentity = { readonly id: number; readonly priority: number }

type Link = {
  readonly a: LinkedIdentity
  readonly b: LinkedIdentity /** Index of the record that made it last. */
  at: number
}

/**
 * Parts a graph that holds two identities of a unique namespace into graphs that do not, as Adobe's identity optimization algorithm does.
 * `records` are the identities that occurred together, in order of time. Each record links its identities. Where that puts two of a
 * unique namespace into one graph, all links of the graph are laid anew, and those that would join the two are dropped: the record's own
 * links come first, then the others by the sum of their priorities, later before earlier. So the last record to link wins, and the more
 * important link stays. Returns the ids of each graph.
 */
export function parted(
  records: readonly (readonly LinkedIdentity[])[],
  unique: ReadonlySet<number>,
): readonly (readonly number[])[] {
  const identities = new Map<number, LinkedIdentity>()
  const linksOf = new Map<number, Map<number, Link>>()
  for (const [at, record] of records.entries()) {
    for (const identity of record) {
      identities.set(identity.id, identity)
      if (!linksOf.has(identity.id)) linksOf.set(identity.id, new Map())
    }
    const [first] = record
    if (first && linkAll(record, at, linksOf)) keepUnique(reached(first.id, linksOf), at)
  }

  function keepUnique(graph: readonly number[], at: number): void {
    const priorities = graph.map((id) => identities.get(id)!.priority).filter((priority) => unique.has(priority)) // ids of records
    if (new Set(priorities).size === priorities.length) return
    const links = graph.flatMap((id) => [...linksOf.get(id)!.values()].filter(({ a }) => a.id === id)) // each link from one end
    const sum = ({ a, b }: Link) => a.priority + b.priority
    links.sort(
      (x, y) =>
        Number(y.at === at) - Number(x.at === at) ||
        sum(x) - sum(y) ||
        y.at - x.at ||
        x.a.id - y.a.id ||
        x.b.id - y.b.id,
    )
    const graphs = new Map(graph.map((id) => [id, { ids: [id], unique: new Set(priorityOf(id)) }]))
    for (const { a, b } of links) {
      const [one, other] = [graphs.get(a.id)!, graphs.get(b.id)!] // every id of the graph has one
      if (one === other) continue
      if ([...one.unique].some((priority) => other.unique.has(priority))) {
        linksOf.get(a.id)!.delete(b.id)
        linksOf.get(b.id)!.delete(a.id)
        continue
      }
      const [larger, smaller] = one.ids.length < other.ids.length ? [other, one] : [one, other]
      for (const id of smaller.ids) graphs.set(id, larger)
      larger.ids.push(...smaller.ids)
      for (const priority of smaller.unique) larger.unique.add(priority)
    }
  }

  function priorityOf(id: number): readonly number[] {
    const { priority } = identities.get(id)! // as above
    return unique.has(priority) ? [priority] : []
  }

  const seen = new Set<number>()
  return [...identities.keys()].flatMap((id) => {
    if (seen.has(id)) return []
    const graph = reached(id, linksOf)
    for (const one of graph) seen.add(one)
    return [graph]
  })
}

/** Links every two identities of a record; true: one of the links is new. */
function linkAll(record: readonly LinkedIdentity[], at: number, linksOf: Map<number, Map<number, Link>>): boolean {
  let isNew = false
  for (const [index, a] of record.entries()) {
    for (const b of record.slice(index + 1)) {
      const known = linksOf.get(a.id)!.get(b.id) // the caller made an entry for every identity of the record
      if (known) {
        known.at = at
        continue
      }
      const link: Link = { a, b, at }
      linksOf.get(a.id)!.set(b.id, link)
      linksOf.get(b.id)!.set(a.id, link)
      isNew = true
    }
  }
  return isNew
}

function reached(from: number, linksOf: ReadonlyMap<number, ReadonlyMap<number, Link>>): readonly number[] {
  const found = new Set([from])
  // A Set is walked in order of insertion, and also visits what is added on the way.
  for (const id of found) for (const other of linksOf.get(id)?.keys() ?? []) found.add(other)
  return [...found]
}
