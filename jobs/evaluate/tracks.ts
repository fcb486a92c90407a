import type { EvaluatePlan, MembershipQuery } from '#crds'
import { wordOf } from '../memberships.ts'
import type { GoneSegment, MembershipManifest, MembershipSegment } from '../profile-store.ts'
import { historyMs } from './version-files.ts'

/** What happens to one Segment in this version. */
export type Track = Pick<MembershipSegment, 'segment' | 'digest' | 'slot' | 'from' | 'firstAt'> & {
  /** When the Segment was evaluated; null: at this version's instant. */
  readonly evaluatedAt: string | null
  readonly fate: 'evaluated' | 'carried' | 'left'
  /** Whether the version before knows the Segment, in the same slot. */
  readonly isKnown: boolean
}

/**
 * The Segments of the new version, ordered by name. A Segment keeps its slot while it is in the plan. One that left the plan stays for
 * the version in which its members exit; after that it is gone, and its slot is free.
 */
export function tracksOf(
  plan: EvaluatePlan,
  query: MembershipQuery,
  previous: MembershipManifest | null,
  failed: ReadonlyMap<string, string>,
  version: { readonly ordinal: number; readonly now: string },
): readonly Track[] {
  const known = new Map(previous?.segments.map((segment) => [segment.segment, segment]))
  const planned = new Set(plan.segments.map(({ name }) => name))
  const left = [...known.values()].filter(({ segment, members }) => !planned.has(segment) && members > 0)
  const taken = new Set([...plan.segments.map(({ name }) => known.get(name)?.slot), ...left.map(({ slot }) => slot)])
  let next = 0
  const freeSlot = () => {
    while (taken.has(next)) next++
    return next++
  }
  const tracks = plan.segments.flatMap(({ name, digest }): Track[] => {
    const before = known.get(name)
    const isEvaluated = query.segments.includes(name) && !failed.has(name)
    if (isEvaluated)
      return [
        {
          segment: name,
          digest,
          slot: before?.slot ?? freeSlot(),
          evaluatedAt: null,
          fate: 'evaluated',
          isKnown: before !== undefined,
          ...(before ? beginningOf(before) : { from: version.ordinal, firstAt: version.now }),
        },
      ]
    return before ? [{ ...before, fate: 'carried', isKnown: true }] : []
  })
  const leaving = left.map(
    (before): Track => ({
      segment: before.segment,
      digest: before.digest,
      slot: before.slot,
      ...beginningOf(before),
      evaluatedAt: null,
      fate: 'left',
      isKnown: true,
    }),
  )
  return [...tracks, ...leaving].sort((a, b) => (a.segment < b.segment ? -1 : 1))
}

/** Names of the Segments that are evaluated in this version. */
export function evaluatedOf(tracks: readonly Track[]): readonly string[] {
  return tracks.filter(({ fate }) => fate === 'evaluated').map(({ segment }) => segment)
}

/** The most Segments that are evaluated at once: more take too much memory. */
const mostInPart = 600

/** The evaluated Segments in groups that are evaluated one after another: no two groups share a word. */
export function groupsOf(tracks: readonly Track[]): readonly (readonly string[])[] {
  const evaluated = tracks.filter(({ fate }) => fate === 'evaluated')
  const groups: string[][] = []
  for (const [, own] of [...Map.groupBy(evaluated, ({ slot }) => wordOf(slot))].sort(([a], [b]) => a - b)) {
    const names = own.map(({ segment }) => segment)
    const last = groups.at(-1)
    if (last && last.length + names.length <= mostInPart) last.push(...names)
    else groups.push(names)
  }
  return groups
}

function beginningOf({ from, firstAt }: MembershipSegment): Pick<MembershipSegment, 'from' | 'firstAt'> {
  return { ...(from !== undefined && { from }), ...(firstAt !== undefined && { firstAt }) }
}

/** Segments of earlier versions that are no longer in this one, as long as their changes are remembered. */
export function goneOf(
  previous: MembershipManifest | null,
  tracks: readonly Track[],
  now: string,
): readonly GoneSegment[] {
  if (previous?.log === undefined) return []
  const there = new Set(tracks.map(({ segment }) => segment))
  const left = previous.segments
    .filter(({ segment }) => !there.has(segment))
    .map(
      ({ segment, slot, from = 0, firstAt, evaluatedAt }): GoneSegment => ({
        segment,
        slot,
        from,
        firstAt: firstAt ?? evaluatedAt,
        until: previous.ordinal ?? 0,
        leftAt: previous.evaluatedAt,
      }),
    )
  return [...(previous.gone ?? []), ...left].filter(({ leftAt }) => Date.parse(now) - Date.parse(leftAt) <= historyMs)
}
