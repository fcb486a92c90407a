import { ApiError, NotLeaderError } from './api.ts'
import type { Cancel, Clock } from './clock.ts'
import type { Version } from './store.ts'

export type OwnWritesOptions = {
  /** The object as the API server has it now, whatever a cache shows; null if there is none. */
  readonly live: (object: string) => Promise<Version | null>
  /** How long the cache may take to show a write; then the API server is asked. */
  readonly patienceMs: number
  /** Nothing holds the owner any more: it may be looked at again. Must not throw. */
  readonly settled: (owner: string) => void
}

export type OwnWrites = {
  /**
   * Writes one object for an owner, and holds the owner until the cache has shown what was written. A write that rejects may have been
   * done all the same, so it holds as well. One that was refused or not sent does not hold, and `settled` is not called: that is the
   * owner's failure. Deletions need none of this: repeating them is harmless.
   */
  readonly write: <T extends { readonly metadata: Version }>(
    owner: string,
    object: string,
    send: () => Promise<T>,
  ) => Promise<T>
  /** Whether the cache may still be behind what was written for the owner. */
  readonly holds: (owner: string) => boolean
  /** Told of each version that the cache comes to know, and of null when the object is gone: a reflector's `onSeen`. */
  readonly seen: (object: string, version: Version | null) => void
  /** Ends all holds: nothing is asked or called afterwards. */
  readonly stop: () => void
}

type Hold = {
  readonly owner: string
  readonly object: string
  /** Versions that the cache came to know since the write began: they may arrive before the answer to the write. */
  readonly seen: Set<string>
  /** The version that the write made; null while its answer is not known. */
  expected: Version | null
  cancel: Cancel
}

/** Reads own writes through a cache, by equality alone, since versions have no order. One for each reflector. */
export function ownWrites(clock: Clock, { live, patienceMs, settled }: OwnWritesOptions): OwnWrites {
  const holds = new Set<Hold>()
  const byObject = new Map<string, Set<Hold>>()
  const byOwner = new Map<string, Set<Hold>>()
  /** What the cache shows of each object. */
  const shown = new Map<string, Version>()

  return {
    async write(owner, object, send) {
      const hold: Hold = { owner, object, seen: new Set(), expected: null, cancel: () => {} }
      add(hold)
      try {
        const written = await send()
        expect(hold, written.metadata)
        return written
      } catch (error) {
        if (isUndone(error)) remove(hold)
        else wait(hold)
        throw error
      }
    },
    holds: (owner) => byOwner.has(owner),
    seen(object, version) {
      // The deletion may be of an earlier object with the same name, so it releases no hold.
      if (version === null) return void shown.delete(object)
      shown.set(object, version)
      for (const hold of byObject.get(object) ?? []) {
        hold.seen.add(versionText(version))
        if (hold.expected !== null && isShown(hold, hold.expected)) release(hold)
      }
    },
    stop() {
      for (const hold of [...holds]) remove(hold)
    },
  }

  function expect(hold: Hold, version: Version): void {
    if (!holds.has(hold)) return
    hold.expected = version
    if (isShown(hold, version)) release(hold)
    else wait(hold)
  }

  function wait(hold: Hold): void {
    if (holds.has(hold)) hold.cancel = clock.after(patienceMs, () => void ask(hold))
  }

  /**
   * The cache may skip the written version when a later one follows soon: then it is enough that it shows the version that is there now.
   */
  async function ask(hold: Hold): Promise<void> {
    try {
      const version = await live(hold.object)
      if (version !== null) return expect(hold, version)
      if (holds.has(hold)) release(hold)
    } catch {
      wait(hold)
    }
  }

  /** Whether the cache showed the version since the write began, or already before: the write may have changed nothing. */
  function isShown({ object, seen }: Hold, version: Version): boolean {
    const now = shown.get(object)
    return seen.has(versionText(version)) || (now !== undefined && versionText(now) === versionText(version))
  }

  function release(hold: Hold): void {
    remove(hold)
    if (!byOwner.has(hold.owner)) settled(hold.owner)
  }

  function add(hold: Hold): void {
    holds.add(hold)
    byObject.set(hold.object, (byObject.get(hold.object) ?? new Set()).add(hold))
    byOwner.set(hold.owner, (byOwner.get(hold.owner) ?? new Set()).add(hold))
  }

  function remove(hold: Hold): void {
    hold.cancel()
    holds.delete(hold)
    leave(byObject, hold.object, hold)
    leave(byOwner, hold.owner, hold)
  }
}

/** Whether nothing was written: nothing was sent, or the API server refused. */
function isUndone(error: unknown): boolean {
  if (error instanceof NotLeaderError) return true
  return error instanceof ApiError && error.status < 500 && error.status !== 408
}

function versionText({ uid, resourceVersion }: Version): string {
  return `${uid} ${resourceVersion}`
}

function leave(places: Map<string, Set<Hold>>, place: string, hold: Hold): void {
  const there = places.get(place)
  there?.delete(hold)
  if (there?.size === 0) places.delete(place)
}
