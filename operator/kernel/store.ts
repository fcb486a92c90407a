/** Tells one state of one object from any other. Both fields are opaque: equal or not, never earlier or later. */
export type Version = { readonly uid: string; readonly resourceVersion: string }

export type Stored<T> = { readonly value: T; readonly version: Version }

/** For each index, the texts under which a value is found. */
export type Indices<T, Index extends string> = Readonly<Record<Index, (value: T) => readonly string[]>>

export type Store<T, Index extends string> = {
  readonly get: (key: string) => Stored<T> | null
  readonly keys: () => IterableIterator<string>
  readonly list: () => readonly T[]
  readonly find: (index: Index, text: string) => readonly T[]
  readonly set: (key: string, stored: Stored<T>) => void
  /** false: the key was not there. */
  readonly delete: (key: string) => boolean
}

export function openStore<T, Index extends string>(indices: Indices<T, Index>): Store<T, Index> {
  const entries = new Map<string, Stored<T>>()
  /** Keys by index and text, joined by a character that no index name has. */
  const found = new Map<string, Set<string>>()
  const names = Object.keys(indices) as Index[] // the type says that its keys are the indices

  return {
    get: (key) => entries.get(key) ?? null,
    keys: () => entries.keys(),
    list: () => [...entries.values()].map(({ value }) => value),
    find: (index, text) => [...(found.get(`${index}\0${text}`) ?? [])].map((key) => entries.get(key)!.value),
    set(key, stored) {
      remove(key)
      entries.set(key, stored)
      for (const place of placesOf(stored.value)) found.set(place, (found.get(place) ?? new Set()).add(key))
    },
    delete: remove,
  }

  function remove(key: string): boolean {
    const before = entries.get(key)
    if (before === undefined) return false
    entries.delete(key)
    for (const place of placesOf(before.value)) {
      const keys = found.get(place)
      keys?.delete(key)
      if (keys?.size === 0) found.delete(place)
    }
    return true
  }

  function placesOf(value: T): readonly string[] {
    return names.flatMap((name) => indices[name](value).map((text) => `${name}\0${text}`))
  }
}
