import type { ResourceKey } from './definition.ts'

/** What one Run at a time may have: the right to write a store, to deliver for an Activation. */
export type Reservations = {
  /** All or nothing; null when they are the Run's, else who has one of them. Asking again is harmless. */
  readonly take: (run: ResourceKey, what: readonly string[]) => ResourceKey | null
  /** Who has one of them; null where all are free, or the Run's own. Whoever asks in vain is told by `release`. */
  readonly holderOf: (run: ResourceKey, what: readonly string[]) => ResourceKey | null
  /** Returns those who asked in vain meanwhile. */
  readonly release: (run: ResourceKey) => readonly ResourceKey[]
}

/** In memory alone: after a restart, Runs that have started take theirs again before any other may. */
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
      // What it needs may have changed under way: it gives back all that it ever had.
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
