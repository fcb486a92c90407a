import type { Column, MembershipQuery } from '#crds'
import { type Condition, hasPart, type Value, visit } from '../pql/ir.ts'
import { referencesFirst } from '../references-first.ts'
import type { Dialect } from './dialect.ts'
import { duckdb } from './duckdb.ts'
import { eventListSql, sortable } from './event-list.ts'
import { type Binding, millionths, type Printer, printerOf, qualifiedColumn, segmentColumn } from './print.ts'
import { allRewrites, type Rewrites } from './rewrites.ts'
import {
  type Aggregate,
  conjuncts,
  equalityOf,
  placeName,
  row,
  type SegmentCondition,
  type Sequence,
  type Shared,
  share,
} from './share.ts'
import { spark } from './spark.ts'

/**
 * One SELECT for all Segments: every event aggregate once for each (filter, window), every shared leaf condition once, then boolean
 * algebra. A Segment that is referred to but not in `segments` is read from the relation `members`, and so is what the version before says
 * of any. `eventColumns` is the store's event schema.
 */
export function membershipQuery(
  segments: readonly SegmentCondition[],
  eventColumns: readonly Column[],
  rewrites: Rewrites = allRewrites,
): MembershipQuery {
  const shared = share(segments, eventColumns, rewrites)
  const reads = readsOf(shared, eventColumns)
  const known = new Set(segments.map((segment) => segment.name))
  const references = [...new Set(shared.segments.flatMap((segment) => segmentsIn(segment.condition)))]
    .filter((name) => !known.has(name))
    .sort()
  const qualified = qualifiedIn([...shared.segments, ...shared.leaves])
  const members = { references, qualified }
  return {
    segments: segments.map((segment) => segment.name),
    references,
    ...(qualified.length > 0 && { qualified: [...qualified] }),
    profileColumns: reads.profile,
    eventColumns: reads.event,
    duckdb: print(shared, members, eventColumns, rewrites, duckdb),
    spark: print(shared, members, eventColumns, rewrites, spark),
  }
}

/** SQL of instants, before the first of which the query for these Segments reads no event; null where it reads all events. */
export function earliestEvent(
  segments: readonly SegmentCondition[],
  eventColumns: readonly Column[],
): readonly string[] | null {
  return earliestOf(share(segments, eventColumns, allRewrites).aggregates, printerOf(duckdb))
}

function segmentsIn(condition: Condition): string[] {
  const names: string[] = []
  visit(condition, (node) => {
    if (node.kind === 'segment') names.push(node.name)
  })
  return names
}

/** Segments whose status or time in the version before is read, in order. */
function qualifiedIn(segments: readonly Pick<SegmentCondition, 'condition'>[]): readonly string[] {
  const names = new Set<string>()
  visit(
    segments.map(({ condition }) => condition),
    (node) => {
      if (node.kind === 'qualified') names.add(node.segment)
    },
  )
  return [...names].sort()
}

/** What a query reads of the relation `members`: whether profiles are in Segments; since when they are, or are not. */
type Members = { readonly references: readonly string[]; readonly qualified: readonly string[] }

function readsOf(shared: Shared, eventColumns: readonly Column[]): { profile: string[]; event: string[] } {
  const profile = new Set<string>()
  const event = new Set<string>()
  const all = new Set(eventColumns.map((column) => column.path))
  const conditions = [
    ...shared.leaves.map((leaf) => leaf.condition),
    ...shared.segments.map((segment) => segment.condition),
  ]
  visit(conditions, (node) => {
    if (node.kind === 'column' && !node.path.startsWith('$')) profile.add(node.path)
  })
  for (const aggregate of shared.aggregates) {
    event.add('timestamp')
    visit([aggregate.where, aggregate.kind === 'fold' ? aggregate.of : null], (node) => {
      if (node.kind === 'member' && all.has(node.path.join('.'))) event.add(node.path.join('.'))
    })
    if (aggregate.kind === 'list') {
      for (const field of aggregate.fields) if (all.has(field)) event.add(field)
      if (aggregate.ordered) for (const column of sortable(eventColumns)) event.add(column.path)
    }
  }
  return { profile: [...profile].sort(), event: [...event].sort() }
}

function print(
  shared: Shared,
  { references, qualified }: Members,
  eventColumns: readonly Column[],
  rewrites: Rewrites,
  dialect: Dialect,
): string {
  const printer = printerOf(dialect)
  const { identifier } = dialect
  const profileId = identifier('$profile')
  const none: ReadonlyMap<number, Binding> = new Map()
  const isTrue = (condition: Condition): string =>
    isKnownColumn(condition) ? identifier(condition.value.path) : `(${printer.condition(condition, none)} IS TRUE)`
  const columnOf = ({ name, condition }: { name: string; condition: Condition }): string =>
    `${isTrue(condition)} AS ${identifier(name)}`

  const readsMembers = references.length > 0 || qualified.length > 0
  const isJoined = shared.aggregates.length > 0 || readsMembers
  const { first, second, passed, leaves, segments } =
    rewrites.early && isJoined ? parted(shared) : { first: [], second: [], passed: null, ...shared }
  let from = 'profiles'
  if (isJoined) {
    const parts: Part[] = []
    const joins: string[] = []
    for (const [index, group] of groupsOf(shared.aggregates, rewrites).entries()) {
      const own = aggregatesSql(group, eventColumns, rewrites, dialect, printer)
      const source = `e${index}`
      parts.push(...own.parts.map((part) => ({ ...part, source })))
      joins.push(`LEFT JOIN (\n  ${own.sql}\n) AS ${source} ON ${source}.${identifier('$owner')} = p.${profileId}`)
    }
    if (readsMembers) joins.push(`LEFT JOIN members AS m ON m.${profileId} = p.${profileId}`)
    const columns = [
      'p.*',
      ...parts.map(({ name, otherwise, source }) =>
        otherwise === null
          ? `${source}.${identifier(name)}`
          : `coalesce(${source}.${identifier(name)}, ${otherwise}) AS ${identifier(name)}`,
      ),
      ...references.map((name) => `coalesce(m.${identifier(name)}, FALSE) AS ${identifier(segmentColumn(name))}`),
      ...qualified.flatMap((name) => qualifiedSql(name, dialect)),
    ]
    const seen =
      first.length === 0 ? 'profiles' : `(SELECT *, ${first.map(columnOf).join(',\n  ')}\nFROM profiles) AS first`
    const people =
      passed === null
        ? 'profiles'
        : // Each under a name of its own, so that it can be left out with what it is made of.
          `(SELECT ${[profileId, ...passed.map((path) => `${identifier(path)} AS ${identifier(path)}`), ...second.map(columnOf)].join(',\n  ')}\nFROM ${seen})`
    from = `(SELECT ${columns.join(', ')}\nFROM ${people} AS p\n${joins.join('\n')}) AS joined`
  }

  // Leaves may read sequences, so sequences are computed one layer earlier.
  if (shared.sequences.length > 0)
    from = `(SELECT *, ${shared.sequences.map((sequence) => `${sequenceSql(sequence, dialect)} AS ${identifier(sequence.name)}`).join(', ')}\nFROM ${from}) AS sequenced`
  if (leaves.length > 0) from = `(SELECT *, ${leaves.map(columnOf).join(',\n  ')}\nFROM ${from}) AS leaves`

  const layers = layersOf(segments)
  const isOnlyLayer = layers.length === 1
  for (const [index, layer] of layers.entries()) {
    const columns = layer.map(({ name, condition }) =>
      columnOf({ name: isOnlyLayer ? name : segmentColumn(name), condition }),
    )
    if (isOnlyLayer) return `SELECT ${[profileId, ...columns].join(',\n  ')}\nFROM ${from}`
    from = `(SELECT *, ${columns.join(',\n  ')}\nFROM ${from}) AS layer${index}`
  }
  const named = segments.map(({ name }) => `${identifier(segmentColumn(name))} AS ${identifier(name)}`)
  return `SELECT ${[profileId, ...named].join(', ')}\nFROM ${from}`
}

/** The columns of a Segment in the version before. Someone who was never in it has no time. */
function qualifiedSql(name: string, { identifier }: Dialect): readonly string[] {
  const [status, since] = (['status', 'since'] as const).map((part) => identifier(qualifiedColumn(name, part)))
  return [
    `m.${since}`,
    `CASE WHEN m.${since} IS NOT NULL THEN CASE WHEN m.${identifier(name)} THEN 'realized' ELSE 'exited' END END AS ${status}`,
  ]
}

type Leaf = Shared['leaves'][number]

/**
 * The Segments with all that reads the profile alone as columns, which are computed before events are joined: `first` the leaves that
 * are used twice, `second` the rest, which may read those; `passed`: the columns that are still read after the join.
 */
function parted(shared: Shared): {
  readonly first: readonly Leaf[]
  readonly second: readonly Leaf[]
  readonly passed: readonly string[]
  readonly leaves: readonly Leaf[]
  readonly segments: readonly SegmentCondition[]
} {
  const early = new Set(
    shared.leaves.filter(({ condition }) => isOfProfile(condition, new Set())).map(({ name }) => name),
  )
  const second = new Map<string, Leaf>()
  const named = (condition: Condition): Condition => {
    if (condition.kind === 'constant' || isKnownColumn(condition)) return condition
    const key = JSON.stringify(condition)
    const leaf = second.get(key) ?? { name: `$p${second.size}`, condition }
    second.set(key, leaf)
    return { kind: 'isTrue', value: { kind: 'column', path: leaf.name, type: 'boolean' } }
  }
  const walk = (condition: Condition): Condition => {
    if (isOfProfile(condition, early)) return named(condition)
    if (condition.kind === 'not') return { kind: 'not', item: walk(condition.item) }
    if (condition.kind !== 'and' && condition.kind !== 'or') return condition
    const own = condition.items.filter((item) => isOfProfile(item, early))
    const others = condition.items.filter((item) => !own.includes(item)).map(walk)
    const together = own.length === 1 ? own : own.length > 1 ? [{ ...condition, items: own }] : []
    return { ...condition, items: [...together.map(named), ...others] }
  }
  const segments = shared.segments.map(({ name, condition }) => ({ name, condition: walk(condition) }))
  const leaves = shared.leaves.filter(({ name }) => !early.has(name))
  const passed = new Set<string>()
  visit(
    [...segments, ...leaves].map(({ condition }) => condition),
    (node) => {
      if (node.kind === 'column' && (!node.path.startsWith('$') || early.has(node.path))) passed.add(node.path)
    },
  )
  return {
    first: shared.leaves.filter(({ name }) => early.has(name)),
    second: [...second.values()],
    passed: [...passed].sort(),
    leaves,
    segments,
  }
}

/** Whether a condition reads columns of profiles and these leaves only. */
function isOfProfile(condition: Condition, leaves: ReadonlySet<string>): boolean {
  return !hasPart(
    condition,
    (node) =>
      node.kind === 'segment' ||
      node.kind === 'qualified' ||
      (node.kind === 'column' && node.path.startsWith('$') && !leaves.has(node.path)),
  )
}

/** A column of a condition that was computed before: it is true or false, never null. */
function isKnownColumn(
  condition: Condition,
): condition is Extract<Condition, { kind: 'isTrue' }> & { readonly value: Extract<Value, { kind: 'column' }> } {
  return condition.kind === 'isTrue' && condition.value.kind === 'column' && /^\$[lp]\d/.test(condition.value.path)
}

/** Segments in the order in which they can be computed: a layer refers to earlier layers only. */
function layersOf(segments: readonly SegmentCondition[]): SegmentCondition[][] {
  const byName = new Map(segments.map((segment) => [segment.name, segment]))
  const references = new Map(
    segments.map(({ name, condition }) => [name, segmentsIn(condition).filter((reference) => byName.has(reference))]),
  )
  const referencesOf = (name: string): readonly string[] => references.get(name) ?? []
  const levels = new Map<string, number>()
  for (const name of referencesFirst(byName.keys(), referencesOf))
    levels.set(name, Math.max(-1, ...referencesOf(name).map((reference) => levels.get(reference) ?? 0)) + 1)
  const layers: SegmentCondition[][] = []
  for (const segment of segments) (layers[levels.get(segment.name)!] ??= []).push(segment)
  return layers
}

/** Aggregates over the same events: all events, or those that have one value in a field. */
type Group = {
  readonly type: { readonly path: string; readonly value: string } | null
  readonly aggregates: readonly Aggregate[]
}

/** The fewest aggregates for which reading the events of their type once more costs less than it saves. */
const fewestOfType = 4

function groupsOf(aggregates: readonly Aggregate[], { byType }: Rewrites): readonly Group[] {
  if (aggregates.length === 0) return []
  const path = mostEqual(aggregates)
  if (!byType || path === null) return [{ type: null, aggregates }]
  const byValue = Map.groupBy(aggregates, ({ where }) => equalityOf(where, path)?.value ?? null)
  const isAlone = byValue.size === 1
  const own = [...byValue].flatMap(([value, some]): Group[] =>
    value !== null && (some.length >= fewestOfType || isAlone) ? [{ type: { path, value }, aggregates: some }] : [],
  )
  const rest = aggregates.filter((aggregate) => !own.some((group) => group.aggregates.includes(aggregate)))
  return rest.length === 0 ? own : [...own, { type: null, aggregates: rest }]
}

/** The field that most aggregates compare with one text; null: none does. */
function mostEqual(aggregates: readonly Aggregate[]): string | null {
  const counts = new Map<string, number>()
  for (const { where } of aggregates)
    for (const path of new Set(conjuncts(where).flatMap((part) => equalityOf(part, null)?.path ?? [])))
      counts.set(path, (counts.get(path) ?? 0) + 1)
  const [most] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  return most?.[0] ?? null
}

type Part = { readonly name: string; readonly otherwise: string | null; readonly source: string }
type Printed = { readonly name: string; readonly sql: string; readonly otherwise: string | null }

/** SELECT of "$owner" and a group's aggregates. */
function aggregatesSql(
  { type, aggregates }: Group,
  eventColumns: readonly Column[],
  rewrites: Rewrites,
  dialect: Dialect,
  printer: Printer,
): { readonly sql: string; readonly parts: readonly Printed[] } {
  const { identifier } = dialect
  // What all events of the group have in common is not asked of each again.
  const own = aggregates.map(
    (aggregate): Aggregate =>
      type === null ? aggregate : { ...aggregate, where: without(aggregate.where, type.path) },
  )
  const exacts = new Map<string, string>()
  // Of events of one type, a number that several aggregates read is made exact once.
  const exactOf = (number: string): string => {
    const made = millionths(number, dialect)
    if (!rewrites.guarded || type === null) return made
    const name = exacts.get(made) ?? `$m${exacts.size}`
    exacts.set(made, name)
    return identifier(name)
  }
  const parts = own.flatMap((aggregate) => aggregateSql(aggregate, eventColumns, rewrites, dialect, printer, exactOf))
  const filter = [
    eventFilter(aggregates, dialect, printer),
    ...(type === null ? [] : [`${identifier(type.path)} = ${dialect.text(type.value)}`]),
  ].join(' AND ')
  const made = [...exacts].map(([sql, name]) => `, ${sql} AS ${identifier(name)}`).join('')
  const events =
    made === '' ? `events\n  WHERE ${filter}` : `(SELECT *${made}\n  FROM events\n  WHERE ${filter}) AS typed`
  const profileId = identifier('$profile')
  return {
    sql: `SELECT ${profileId} AS ${identifier('$owner')},\n    ${parts.map((part) => `${part.sql} AS ${identifier(part.name)}`).join(',\n    ')}\n  FROM ${events}\n  GROUP BY ${profileId}`,
    parts,
  }
}

/** The condition without its first comparison of the field with a text. */
function without(where: Condition, path: string): Condition {
  const all = conjuncts(where)
  const at = all.findIndex((part) => equalityOf(part, path) !== null)
  const rest = all.filter((_, index) => index !== at)
  if (rest.length === 0) return { kind: 'constant', value: true }
  return rest.length === 1 ? rest[0]! : { kind: 'and', items: rest }
}

function aggregateSql(
  aggregate: Aggregate,
  eventColumns: readonly Column[],
  { guarded }: Rewrites,
  dialect: Dialect,
  printer: Printer,
  exactOf: (number: string) => string,
): Printed[] {
  const bindings: ReadonlyMap<number, Binding> = new Map([[row, { kind: 'row' }]])
  const where =
    aggregate.where.kind === 'constant' && aggregate.where.value ? null : printer.condition(aggregate.where, bindings)
  const filter = where === null ? '' : ` FILTER (WHERE ${where})`
  const { name } = aggregate
  const timestamp = dialect.identifier('timestamp')
  switch (aggregate.kind) {
    case 'any':
      return [{ name, sql: where === null ? 'TRUE' : `bool_or(${where})`, otherwise: null }]
    case 'times':
      return [{ name, sql: dialect.collect(timestamp, where), otherwise: null }]
    case 'earliest':
      return [{ name, sql: `min(${timestamp})${filter}`, otherwise: null }]
    case 'newest':
      return [{ name, sql: `max(${timestamp})${filter}`, otherwise: null }]
    case 'newests': {
      const newest = dialect.greatestFew(timestamp, Math.max(...aggregate.places), where)
      return aggregate.places.map((place) => ({
        name: placeName(name, place),
        sql: dialect.element(newest, place),
        otherwise: null,
      }))
    }
    case 'list':
      return [{ name, ...eventListSql(aggregate, where, eventColumns, dialect) }]
    case 'fold': {
      const zero = aggregate.fold === 'count' ? '0' : aggregate.fold === 'sum' ? dialect.double(0) : null
      if (aggregate.of === null) return [{ name, sql: `count(*)${filter}`, otherwise: zero }]
      const of = printer.value(aggregate.of, bindings)
      const double = dialect.type('number')
      // A value that does not count is null, which no aggregate takes: cheaper than a filter, and it is computed where it counts only.
      const of1 = (aggregateName: string, value: string, cast: (value: string) => string = (same) => same): string =>
        where !== null && guarded
          ? `${aggregateName}(${cast(`CASE WHEN ${where} THEN ${value} END`)})`
          : `${aggregateName}(${cast(value)})${filter}`
      const sum = (): string =>
        `CAST(${of1('sum', exactOf(of), (value) => summand(value, dialect))} AS ${double}) / ${dialect.double(1e6)}`
      switch (aggregate.fold) {
        case 'count':
          return [{ name, sql: `count(${of})${filter}`, otherwise: zero }]
        case 'min':
        case 'max':
          return [{ name, sql: `${aggregate.fold}(${of})${filter}`, otherwise: zero }]
        case 'sum':
          return [{ name, sql: sum(), otherwise: zero }]
        case 'average':
          return [{ name, sql: `${sum()} / nullif(${of1('count', exactOf(of))}, 0)`, otherwise: zero }]
      }
    }
  }
}

/** Spark's sum of BIGINT can overflow, so it adds decimals; DuckDB's sum is a HUGEINT. */
function summand(millionths: string, dialect: Dialect): string {
  return dialect === spark ? `CAST(${millionths} AS DECIMAL(38, 0))` : millionths
}

/** The time of the earliest event for the first step, then of the earliest later one for the second, …; null where there is none. */
function sequenceSql(sequence: Sequence, dialect: Dialect): string {
  const [r, t] = [dialect.identifier('#r'), dialect.identifier('#t')]
  let reached: string | null = null
  let isColumn = false
  for (const { column, isList, count } of sequence.steps) {
    const times = dialect.identifier(column)
    const since = (start: string): string => dialect.filter(times, dialect.lambda([t], `${t} > ${start}`))
    const later: string =
      reached === null ? times : isColumn ? since(reached) : dialect.apply(dialect.lambda([r], since(r)), reached)
    isColumn = !isList
    reached = isColumn ? times : count === 1 ? dialect.least(later) : dialect.element(dialect.sorted(later), count)
  }
  return reached ?? 'NULL'
}

/** Skips events that no aggregate needs: later than now, before the earliest window, or of other types. */
function eventFilter(aggregates: readonly Aggregate[], dialect: Dialect, printer: Printer): string {
  const parts = [`${dialect.identifier('timestamp')} <= $now`]
  const earliest = earliestOf(aggregates, printer)
  if (earliest !== null)
    parts.push(
      `${dialect.identifier('timestamp')} >= ${earliest.length === 1 ? earliest[0] : `least(${earliest.join(', ')})`}`,
    )
  return parts.join(' AND ')
}

/** Where each aggregate's window begins; null where one has none. */
function earliestOf(aggregates: readonly Aggregate[], printer: Printer): readonly string[] | null {
  const bindings: ReadonlyMap<number, Binding> = new Map([[row, { kind: 'row' }]])
  const bounds: Value[] = []
  for (const { since } of aggregates) {
    if (since === null) return null
    bounds.push(...since)
  }
  return [...new Set(bounds.map((bound) => printer.value(bound, bindings)))]
}
