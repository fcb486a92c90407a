import type { Resource } from './resource.ts'

type DatasetSpec = Resource<'Dataset'>['spec']

/** The source fields that a Dataset reads, each with its column in the records; of a field with several columns, the first. */
export function recordColumnsOf(spec: DatasetSpec): ReadonlyMap<string, string> {
  const isEvent = spec.record === 'Event'
  const columns = new Map<string, string>()
  const add = (source: string | undefined, column: string) => {
    if (source !== undefined && !columns.has(source)) columns.set(source, column)
  }
  for (const { source, target } of spec.mapping) if (!(isEvent && target === 'timestamp')) add(source, target)
  add(spec.timestamp, isEvent ? 'timestamp' : '$time')
  if (isEvent) {
    add(spec.eventId, '$event')
    add(spec.identity?.source, '$identity')
  }
  return columns
}

/** The source field that tells records apart; null where the Dataset names none. */
export function idFieldOf(spec: DatasetSpec, primaryPath: string | undefined): string | null {
  if (spec.record === 'Event') return spec.eventId ?? null
  return spec.mapping.find(({ target }) => target === primaryPath)?.source ?? null
}
