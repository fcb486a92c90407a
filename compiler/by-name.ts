/** Finds resources by namespace and name, without joining both into one text for each of thousands. */
export function byName<T>(
  items: readonly T[],
  resourceOf: (item: T) => { readonly namespace: string; readonly name: string },
): (namespace: string, name: string) => T | null {
  const found = new Map<string, Map<string, T>>()
  for (const item of items) {
    const { namespace, name } = resourceOf(item)
    let own = found.get(namespace)
    if (!own) found.set(namespace, (own = new Map()))
    own.set(name, item)
  }
  return (namespace, name) => found.get(namespace)?.get(name) ?? null
}
