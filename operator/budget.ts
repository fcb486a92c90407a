import { createHash } from 'node:crypto'
import { type Kind, runnableKinds } from '#crds'
import { type Definition, keyOf, type Resource, type ResourceKey } from './definition.ts'

/** What the copies hold of each namespace's resources: whole as long as there is room, else with the digests of long texts in their place. */
export type Budget = {
  /** Takes note of a resource that came or changed; returns what is held of it. */
  readonly take: <K extends Kind>(resource: Resource<K>) => Resource<K>
  /** Takes note that the copy shows what was taken last; true: it shows as a whole what it did not before. */
  readonly shown: (key: ResourceKey, namespace: string) => boolean
  /** Takes note that a resource is gone. */
  readonly drop: (key: ResourceKey, namespace: string) => void
  /** Why a namespace is not held whole, as a sentence; null: it is. */
  readonly excessOf: (namespace: string) => string | null
}

/** More than the compiler takes of a namespace's expressions, with room for all else. */
export const mostCharacters = 128_000_000

type Room = {
  characters: number
  held: number
  readonly sizes: Map<ResourceKey, { readonly characters: number; readonly isWhole: boolean }>
  readonly shortened: Set<ResourceKey>
  /** Those that were taken as a whole, and that the copy still shows shortened. */
  readonly coming: Set<ResourceKey>
  /** Whether those that are held shortened are being read again. */
  isAwaited: boolean
}

/** `readAgain` is called with what is held shortened, once there is room for a namespace as a whole again. */
export function openBudget(most: number, readAgain: (namespace: string, keys: readonly ResourceKey[]) => void): Budget {
  const rooms = new Map<string, Room>()

  return {
    take(resource) {
      const { namespace, definition, status } = resource
      const room = rooms.get(namespace) ?? {
        characters: 0,
        held: 0,
        sizes: new Map(),
        shortened: new Set(),
        coming: new Set(),
        isAwaited: false,
      }
      rooms.set(namespace, room)
      const key = keyOf(resource)
      const wasShort = room.shortened.has(key) || room.coming.has(key)
      remove(room, key)
      const characters = JSON.stringify([definition, status]).length
      const isWhole = room.held + characters <= most || runnableKinds.some((kind) => kind === resource.kind)
      room.characters += characters
      if (isWhole) room.held += characters
      else room.shortened.add(key)
      if (isWhole && wasShort) room.coming.add(key)
      room.sizes.set(key, { characters, isWhole })
      look(namespace, room)
      return isWhole ? resource : shortened(resource)
    },
    shown: (key, namespace) => rooms.get(namespace)?.coming.delete(key) ?? false,
    drop(key, namespace) {
      const room = rooms.get(namespace)
      if (!room) return
      remove(room, key)
      if (room.sizes.size === 0) rooms.delete(namespace)
      else look(namespace, room)
    },
    excessOf(namespace) {
      const room = rooms.get(namespace)
      if (!room || room.shortened.size + room.coming.size === 0) return null
      const [all, may] = [room.characters, most].map((count) => count.toLocaleString('en'))
      return room.characters > most
        ? `The resources of this namespace come to ${all} characters; they may be ${may}.`
        : `The resources of this namespace were more than ${may} characters, and are being read again.`
    },
  }

  function look(namespace: string, room: Room): void {
    if (room.shortened.size === 0 || room.characters > most) room.isAwaited = false
    else if (!room.isAwaited) {
      room.isAwaited = true
      readAgain(namespace, [...room.shortened])
    }
  }
}

function remove(room: Room, key: ResourceKey): void {
  const before = room.sizes.get(key)
  if (!before) return
  room.characters -= before.characters
  if (before.isWhole) room.held -= before.characters
  room.sizes.delete(key)
  room.shortened.delete(key)
  room.coming.delete(key)
}

const inPart = new WeakSet<Definition>()

/** Whether a definition is not all that its resource says. */
export function isShortened(definition: Definition): boolean {
  return inPart.has(definition)
}

/** The status stays whole: the operator's own writes begin from it. So do resources that run: their Runs go on by what they say. */
function shortened<K extends Kind>(resource: Resource<K>): Resource<K> {
  const { metadata, spec, ...rest } = resource.definition
  const definition = { ...rest, metadata: inShort(metadata), spec: inShort(spec) } as Definition<K> // of the same shape
  inPart.add(definition)
  return { ...resource, definition }
}

/** Longer texts are given by their digest, longer lists and larger objects by what comes first. */
const [longestText, longestList] = [256, 64]

function inShort(value: unknown): unknown {
  if (typeof value === 'string')
    return value.length <= longestText ? value : `sha256:${createHash('sha256').update(value).digest('hex')}`
  if (Array.isArray(value)) return value.slice(0, longestList).map(inShort)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, longestList)
      .map(([name, inner]) => [name, inShort(inner)]),
  )
}
