import type { ResourceKey } from './definition.ts'

/** Rights that one Run at a time may have: to write a store, to deliver for an Activation. */
export type Reservations = {
  /** Takes all or nothing. null: they are the Run's now; else the Run that has one of them. Asking again is harmless. */
  readonly take: (run: ResourceKey, what: readonly string[]) => ResourceKey | null
  /** The Run that has one of them; null where all are free, or the Run's own. Runs that ask in vain are returned by `release`. */
  readonly holderOf: (run: ResourceKey, what: readonly string[]) => ResourceKey | null
  /** Gives back all rights of the Run; returns the Runs that asked for them in vain. */
  readonly release: (run: ResourceKey) => readonly ResourceKey[]
}

/** Kept in memory only: after a restart, Runs at work reserve again before any other Run may. */
export function openReservations(): Reservations {
  const holders = new Map<string, ResourceKey>()
  const held = new Map<ResourceKey, ReadonlySet<string>>()
  const waiting = new Map<string, Set<ResourceKey>>()
  return {
    holderOf,
    take(run, what) {
      const holder = holderOf(run, what)
      if (holder !== null) return holder
      for (const each of what) holders.set(each, run)
      // What a Run needs may change while it is at work: it keeps all that it ever had until `release`.
      if (what.length > 0) held.set(run, new Set([...(held.get(run) ?? []), ...what]))
      return null
    },
    release(run) {
      const freed = [...(held.get(run) ?? [])]
      held.delete(run)
      return freed.flatMap((each) => {
        if (holders.get(each) === run) holders.delete(each)
        const asked = [...(waiting.get(each) ?? [])]
        waiting.delete(each)
        return asked
      })
    },
  }

  function holderOf(run: ResourceKey, what: readonly string[]): ResourceKey | null {
    for (const each of what) {
      const holder = holders.get(each)
      if (holder === undefined || holder === run) continue
      waiting.set(each, (waiting.get(each) ?? new Set()).add(run))
      return holder
    }
    return null
  }
}
