import type { Column, DataType, MembershipQuery } from '#crds'
import {
  type Condition,
  type Fold,
  freeVariables,
  greatestVariable,
  hasPart,
  itemNumber,
  mapChildren,
  type Node,
  replaceVariable,
  rewrite,
  type Value,
  visit,
} from '../pql/ir.ts'
import { referencesFirst } from '../references-first.ts'
import type { Dialect } from './dialect.ts'
import { duckdb } from './duckdb.ts'
import { type EventList, eventListSql, sortable } from './event-list.ts'
import { type Binding, millionths, type Printer, printerOf, qualifiedColumn, segmentColumn } from './print.ts'
import { spark } from './spark.ts'

export type SegmentCondition = { readonly name: string; readonly condition: Condition }

/**
 * One SELECT for all Segments: every event aggregate once for each (filter, window), every shared leaf condition once, then boolean
 * algebra. A Segment that is referred to but not in `segments` is read from the relation `members`, and so is what the version before says
 * of any. `eventColumns` is the store's event schema.
 */
export function membershipQuery(
  segments: readonly SegmentCondition[],
  eventColumns: readonly Column[],
): MembershipQuery {
  const shared = share(segments, eventColumns)
  const reads = readsOf(shared, eventColumns)
  const known = new Set(segments.map((segment) => segment.name))
  const references = [...new Set(shared.segments.flatMap((segment) => segmentsIn(segment.condition)))]
    .filter((name) => !known.has(name))
    .sort()
  const qualified = qualifiedIn(shared.segments)
  const members = { references, qualified }
  return {
    segments: segments.map((segment) => segment.name),
    references,
    ...(qualified.length > 0 && { qualified: [...qualified] }),
    profileColumns: reads.profile,
    eventColumns: reads.event,
    duckdb: print(shared, members, eventColumns, duckdb),
    spark: print(shared, members, eventColumns, spark),
  }
}

/** SQL of instants, before the first of which the query for these Segments reads no event; null where it reads all events. */
export function earliestEvent(
  segments: readonly SegmentCondition[],
  eventColumns: readonly Column[],
): readonly string[] | null {
  return earliestOf(share(segments, eventColumns).aggregates, printerOf(duckdb))
}

/** The variable that stands for the event row in aggregates. */
export const row = 0

type Aggregate =
  | { readonly kind: 'any'; readonly name: string; readonly where: Condition }
  | {
      readonly kind: 'fold'
      readonly name: string
      readonly fold: Fold
      readonly of: Value | null
      readonly where: Condition
    }
  | { readonly kind: 'times'; readonly name: string; readonly where: Condition }
  | ({ readonly kind: 'list'; readonly name: string; readonly where: Condition } & EventList)

type Sequence = { readonly name: string; readonly steps: readonly { readonly times: string; readonly count: number }[] }

type Shared = {
  readonly aggregates: readonly Aggregate[]
  readonly sequences: readonly Sequence[]
  readonly leaves: readonly { readonly name: string; readonly condition: Condition }[]
  readonly segments: readonly SegmentCondition[]
}

function share(segments: readonly SegmentCondition[], eventColumns: readonly Column[]): Shared {
  const under = (path: readonly string[]): string[] =>
    eventColumns
      .map((column) => column.path)
      .filter((column) => column === path.join('.') || column.startsWith(`${path.join('.')}.`))
  const aggregates = new Map<string, Aggregate>()
  const sequences = new Map<string, Sequence>()
  // Equal aggregates have equal JSON, since trees hold no places and number variables by depth: each is computed once.
  const aggregateOf = (make: (name: string) => Aggregate): string => {
    const key = JSON.stringify({ ...make('') })
    const name = aggregates.get(key)?.name ?? `$a${aggregates.size}`
    if (!aggregates.has(key)) aggregates.set(key, make(name))
    return name
  }

  const numbered = new Map<Condition, boolean>()
  const isNumbered = (whole: Condition): boolean => {
    const known =
      numbered.get(whole) ?? hasPart(whole, (node) => node.kind === 'member' && node.path.at(-1) === itemNumber)
    numbered.set(whole, known)
    return known
  }

  const replace = (node: Node, whole: Condition): Node => {
    switch (node.kind) {
      case 'any': {
        const source = eventSource(node.list)
        const where = source && onRow(node.where, node.variable)
        if (!where) return node
        const name = aggregateOf((name) => ({ kind: 'any', name, where: both(source, where) }))
        return { kind: 'isTrue', value: { kind: 'column', path: name, type: 'boolean' } }
      }
      case 'fold': {
        const mapped = node.list.kind === 'map' ? node.list : null
        const source = eventSource(mapped ? mapped.list : node.list)
        // Objects have no column of their own: those that exist were filtered before, so rows are counted.
        const counted =
          mapped !== null && node.fold === 'count' && typeof mapped.to.type === 'object' && 'fields' in mapped.to.type
        const of = mapped && !counted ? onRow(mapped.to, mapped.variable) : null
        if (!source || (mapped && !counted && (!of || of.type === 'boolean')) || (!mapped && node.fold !== 'count'))
          return node
        const name = aggregateOf((name) => ({ kind: 'fold', name, fold: node.fold, of, where: source }))
        return { kind: 'column', path: name, type: node.type }
      }
      case 'filter': {
        // A list that has to stay a list is collected, with as much of its filter as reads the event alone; numbered events all together.
        const source = isNumbered(whole) ? null : eventSource(node)
        return source ? listOf(source, whole, node.type) : node
      }
      case 'sequence': {
        let earliest: Value | null = null
        const steps = node.steps.map((step) => {
          const what = onRow(step.what, node.variable)
          // Events of later steps come after the first step's, so the first step's window bounds them too.
          const where: Condition | null =
            what && earliest && lowerBound(what) === null ? both(what, since(earliest)) : what
          earliest = (where && lowerBound(where)) ?? earliest
          return where && { times: aggregateOf((name) => ({ kind: 'times', name, where })), count: step.count }
        })
        if (steps.some((step) => step === null)) return expanded(node)
        const key = JSON.stringify(steps)
        const name = sequences.get(key)?.name ?? `$q${sequences.size}`
        sequences.set(key, { name, steps: steps.filter((step) => step !== null) })
        return { kind: 'isTrue', value: { kind: 'column', path: name, type: 'boolean' } }
      }
      default:
        return node
    }
  }

  const listOf = (where: Condition, whole: Condition, type: Value['type']): Value => {
    const fields = new Set<string>(['timestamp'])
    let ordered = false
    visit(whole, (node) => {
      // A path may start at a tuple's field, and may end at an object whose fields are read elsewhere.
      if (node.kind === 'member')
        for (const [start] of node.path.entries())
          for (const column of under(node.path.slice(start))) fields.add(column)
      if (node.kind === 'first' || node.kind === 'top' || node.kind === 'groupBy' || node.kind === 'distinct')
        ordered = true
    })
    const numbered = isNumbered(whole)
    ordered ||= numbered
    const name = aggregateOf((name) => ({ kind: 'list', name, where, ordered, numbered, fields: [...fields].sort() }))
    return { kind: 'column', path: name, type }
  }

  const aggregated = segments.map(({ name, condition }) => {
    // Outermost first: an inner filter must not become a list when the aggregate around it can take it whole.
    const outer = topDown(condition, (node) => replace(node, condition))
    const bare = rewrite(outer, (node) =>
      node.kind === 'events' ? listOf({ kind: 'constant', value: true }, condition, node.type) : node,
    )
    return { name, condition: bare }
  })

  const uses = new Map<string, number>()
  // { => A leaf that is used at least twice becomes a column; a column itself, a Segment and a constant are cheap enough to repeat.
  const count = (condition: Condition): void => {
    if (condition.kind === 'and' || condition.kind === 'or') condition.items.forEach(count)
    else if (condition.kind === 'not') count(condition.item)
    else if (condition.kind !== 'segment' && condition.kind !== 'constant')
      uses.set(JSON.stringify(condition), (uses.get(JSON.stringify(condition)) ?? 0) + 1)
  }
  for (const segment of aggregated) count(segment.condition)
  const leaves = new Map<string, { name: string; condition: Condition }>()
  const algebra = (condition: Condition): Condition => {
    if (condition.kind === 'and' || condition.kind === 'or')
      return { ...condition, items: condition.items.map(algebra) }
    if (condition.kind === 'not') return { kind: 'not', item: algebra(condition.item) }
    const key = JSON.stringify(condition)
    if ((uses.get(key) ?? 0) < 2 || condition.kind === 'isTrue') return condition
    const leaf = leaves.get(key) ?? { name: `$l${leaves.size}`, condition }
    leaves.set(key, leaf)
    return { kind: 'isTrue', value: { kind: 'column', path: leaf.name, type: 'boolean' } }
  }
  const simplified = aggregated.map((segment) => ({ name: segment.name, condition: algebra(segment.condition) }))
  return {
    aggregates: [...aggregates.values()],
    sequences: [...sequences.values()],
    leaves: [...leaves.values()],
    segments: simplified,
  }
}

/** Rebuilds a tree from the root down; a part that became a column is not looked into. */
function topDown(condition: Condition, change: (node: Node) => Node): Condition {
  const walk = (node: Node): Node => {
    const changed = change(node)
    if (changed === node) return mapChildren(node, walk)
    return changed.kind === 'column' || changed.kind === 'isTrue' ? changed : walk(changed)
  }
  return walk(condition) as Condition // a change keeps conditions conditions
}

/** The condition under which an event's row is in the list; null when the list is not simply filtered events. */
function eventSource(list: Value): Condition | null {
  if (list.kind === 'events') return { kind: 'constant', value: true }
  if (list.kind !== 'filter') return null
  const inner = eventSource(list.list)
  const where = inner && onRow(list.where, list.variable)
  return where && both(inner, where)
}

function both(left: Condition, right: Condition): Condition {
  if (left.kind === 'constant' && left.value) return right
  if (right.kind === 'constant' && right.value) return left
  return { kind: 'and', items: [left, right].flatMap((part) => (part.kind === 'and' ? part.items : [part])) }
}

/** The node with its event variable renamed to the row; null when it reads anything else that varies by profile. */
export function onRow<N extends Node>(node: N, variable: number): N | null {
  const readsProfile = hasPart(node, ({ kind }) =>
    ['column', 'qualified', 'events', 'segment', 'sequence'].includes(kind),
  )
  // The event as a whole, rather than its fields, does not exist in a row.
  if (readsProfile || freeVariables(node).some((free) => free.id !== variable || free.whole)) return null
  return replaceVariable(node, variable, (event) => ({ ...event, id: row, type: 'string' }))
}

/** A sequence whose steps read more than the event, as nested quantifiers over events. */
function expanded(node: Extract<Condition, { kind: 'sequence' }>): Condition {
  const type: DataType = { fields: { timestamp: 'timestamp' } }
  const events: Value = { kind: 'events', type: { items: type } }
  let last = greatestVariable(node)
  const timeOf = (id: number): Value => ({
    kind: 'member',
    object: { kind: 'variable', id, type },
    path: ['timestamp'],
    type: 'timestamp',
  })
  const build = (index: number, previous: Value | null): Condition => {
    const step = node.steps[index]
    if (!step) return { kind: 'constant', value: true }
    const variable = (last += 1)
    const own = replaceVariable(step.what, node.variable, (event) => ({ ...event, id: variable }))
    const where: Condition = previous
      ? both({ kind: 'within', subject: timeOf(variable), from: { value: previous, inclusive: false }, to: null }, own)
      : own
    if (step.count === 1)
      return { kind: 'any', list: events, variable, where: both(where, build(index + 1, timeOf(variable))) }
    // There are enough events for the step; the next step starts after the last of the `count` earliest.
    const [ranked, timed] = [(last += 1), (last += 1)]
    const matching: Value = { kind: 'filter', list: events, variable, where, type: events.type }
    const enough: Condition = {
      kind: 'compare',
      op: '>=',
      of: 'number',
      left: { kind: 'fold', fold: 'count', list: matching, type: 'integer' },
      right: { kind: 'literal', value: step.count, type: 'integer' },
    }
    const earliest: Value = {
      kind: 'top',
      list: matching,
      variable: ranked,
      by: timeOf(ranked),
      order: 'lowest',
      count: step.count,
      type: events.type,
    }
    const times: Value = {
      kind: 'map',
      list: earliest,
      variable: timed,
      to: timeOf(timed),
      type: { items: 'timestamp' },
    }
    return both(enough, build(index + 1, { kind: 'fold', fold: 'max', list: times, type: 'timestamp' }))
  }
  return build(0, null)
}

function segmentsIn(condition: Condition): string[] {
  const names: string[] = []
  visit(condition, (node) => {
    if (node.kind === 'segment') names.push(node.name)
  })
  return names
}

/** Segments whose status or time in the version before is read, in order. */
function qualifiedIn(segments: readonly SegmentCondition[]): readonly string[] {
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
  dialect: Dialect,
): string {
  const printer = printerOf(dialect)
  const { identifier } = dialect
  const profileId = identifier('$profile')
  const none: ReadonlyMap<number, Binding> = new Map()

  let from = 'profiles'
  const readsMembers = references.length > 0 || qualified.length > 0
  if (shared.aggregates.length > 0 || readsMembers) {
    const parts = shared.aggregates.flatMap((aggregate) => aggregateSql(aggregate, eventColumns, dialect, printer))
    const joins: string[] = []
    if (shared.aggregates.length > 0) {
      joins.push(
        `LEFT JOIN (\n  SELECT ${profileId} AS ${identifier('$owner')},\n    ${parts.map((part) => `${part.sql} AS ${identifier(part.name)}`).join(',\n    ')}\n  FROM events\n  WHERE ${eventFilter(shared.aggregates, dialect, printer)}\n  GROUP BY ${profileId}\n) AS e ON e.${identifier('$owner')} = p.${profileId}`,
      )
    }
    if (readsMembers) joins.push(`LEFT JOIN members AS m ON m.${profileId} = p.${profileId}`)
    const columns = [
      'p.*',
      ...parts.map((part) =>
        part.otherwise === null
          ? `e.${identifier(part.name)}`
          : `coalesce(e.${identifier(part.name)}, ${part.otherwise}) AS ${identifier(part.name)}`,
      ),
      ...references.map((name) => `coalesce(m.${identifier(name)}, FALSE) AS ${identifier(segmentColumn(name))}`),
      ...qualified.flatMap((name) => qualifiedSql(name, dialect)),
    ]
    from = `(SELECT ${columns.join(', ')}\nFROM profiles AS p\n${joins.join('\n')}) AS joined`
  }

  const leaves = [
    ...shared.sequences.map((sequence) => `${sequenceSql(sequence, dialect)} AS ${identifier(sequence.name)}`),
    ...shared.leaves.map((leaf) => `(${printer.condition(leaf.condition, none)} IS TRUE) AS ${identifier(leaf.name)}`),
  ]
  // Leaves may read sequences, so sequences are computed one layer earlier.
  if (shared.sequences.length > 0)
    from = `(SELECT *, ${leaves.slice(0, shared.sequences.length).join(', ')}\nFROM ${from}) AS sequenced`
  if (shared.leaves.length > 0)
    from = `(SELECT *, ${leaves.slice(shared.sequences.length).join(',\n  ')}\nFROM ${from}) AS leaves`

  const layers = layersOf(shared.segments)
  const isOnlyLayer = layers.length === 1
  for (const [index, layer] of layers.entries()) {
    const columns = layer.map(({ name, condition }) => {
      const column = identifier(isOnlyLayer ? name : segmentColumn(name))
      return `(${printer.condition(condition, none)} IS TRUE) AS ${column}`
    })
    if (isOnlyLayer) return `SELECT ${[profileId, ...columns].join(',\n  ')}\nFROM ${from}`
    from = `(SELECT *, ${columns.join(',\n  ')}\nFROM ${from}) AS layer${index}`
  }
  const named = shared.segments.map(({ name }) => `${identifier(segmentColumn(name))} AS ${identifier(name)}`)
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

function aggregateSql(
  aggregate: Aggregate,
  eventColumns: readonly Column[],
  dialect: Dialect,
  printer: Printer,
): { name: string; sql: string; otherwise: string | null }[] {
  const bindings: ReadonlyMap<number, Binding> = new Map([[row, { kind: 'row' }]])
  const where =
    aggregate.where.kind === 'constant' && aggregate.where.value ? null : printer.condition(aggregate.where, bindings)
  const filter = where === null ? '' : ` FILTER (WHERE ${where})`
  const { name } = aggregate
  switch (aggregate.kind) {
    case 'any':
      return [{ name, sql: where === null ? 'TRUE' : `bool_or(${where})`, otherwise: null }]
    case 'times':
      return [{ name, sql: dialect.collect(dialect.identifier('timestamp'), where), otherwise: null }]
    case 'list':
      return [{ name, ...eventListSql(aggregate, where, eventColumns, dialect) }]
    case 'fold': {
      const zero = aggregate.fold === 'count' ? '0' : aggregate.fold === 'sum' ? dialect.double(0) : null
      if (aggregate.of === null) return [{ name, sql: `count(*)${filter}`, otherwise: zero }]
      const of = printer.value(aggregate.of, bindings)
      const double = dialect.type('number')
      switch (aggregate.fold) {
        case 'count':
          return [{ name, sql: `count(${of})${filter}`, otherwise: zero }]
        case 'min':
        case 'max':
          return [{ name, sql: `${aggregate.fold}(${of})${filter}`, otherwise: zero }]
        case 'sum':
          return [
            {
              name,
              sql: `CAST(sum(${exact(of, dialect)})${filter} AS ${double}) / ${dialect.double(1e6)}`,
              otherwise: zero,
            },
          ]
        case 'average':
          return [
            {
              name,
              sql: `CAST(sum(${exact(of, dialect)})${filter} AS ${double}) / ${dialect.double(1e6)} / nullif(count(${millionths(of, dialect)})${filter}, 0)`,
              otherwise: zero,
            },
          ]
      }
    }
  }
}

/** Spark's sum of BIGINT can overflow, so it adds decimals; DuckDB's sum is a HUGEINT. */
function exact(number: string, dialect: Dialect): string {
  return dialect === spark ? `CAST(${millionths(number, dialect)} AS DECIMAL(38, 0))` : millionths(number, dialect)
}

/** Finds the earliest event for the first step, then the earliest later one for the second, …; true if there is one for the last step. */
function sequenceSql(sequence: Sequence, dialect: Dialect): string {
  const [r, t] = [dialect.identifier('#r'), dialect.identifier('#t')]
  let reached: string | null = null
  for (const step of sequence.steps) {
    const times = dialect.identifier(step.times)
    const later: string =
      reached === null
        ? times
        : dialect.apply(dialect.lambda([r], dialect.filter(times, dialect.lambda([t], `${t} > ${r}`))), reached)
    reached = step.count === 1 ? dialect.least(later) : dialect.element(dialect.sorted(later), step.count)
  }
  return `(${reached ?? 'NULL'} IS NOT NULL)`
}

/** Skips events that no aggregate needs: later than now, before the earliest window, or of other types. */
function eventFilter(aggregates: readonly Aggregate[], dialect: Dialect, printer: Printer): string {
  const parts = [`${dialect.identifier('timestamp')} <= $now`]
  const earliest = earliestOf(aggregates, printer)
  if (earliest !== null)
    parts.push(
      `${dialect.identifier('timestamp')} >= ${earliest.length === 1 ? earliest[0] : `least(${earliest.join(', ')})`}`,
    )
  const equalities = aggregates.map((aggregate) => equalitiesOf(aggregate.where))
  for (const path of equalities[0]?.keys() ?? []) {
    if (!equalities.every((own) => own.has(path))) continue
    const values = [...new Set(equalities.flatMap((own) => own.get(path) ?? []))].sort()
    parts.push(`${dialect.identifier(path)} IN (${values.map(dialect.text).join(', ')})`)
  }
  return parts.join(' AND ')
}

/** Where each aggregate's window begins; null where one has none. */
function earliestOf(aggregates: readonly Aggregate[], printer: Printer): readonly string[] | null {
  const bindings: ReadonlyMap<number, Binding> = new Map([[row, { kind: 'row' }]])
  const lower = aggregates.map((aggregate) => lowerBound(aggregate.where))
  return lower.every((bound) => bound !== null)
    ? [...new Set(lower.map((bound) => printer.value(bound, bindings)))]
    : null
}

const conjuncts = (condition: Condition): readonly Condition[] =>
  condition.kind === 'and' ? condition.items : [condition]

function isRowMember(value: Value): value is Extract<Value, { kind: 'member' }> {
  return value.kind === 'member' && value.object.kind === 'variable' && value.object.id === row
}

/** The condition that an event is no earlier than this. */
function since(earliest: Value): Condition {
  const timestamp: Value = {
    kind: 'member',
    object: { kind: 'variable', id: row, type: 'string' },
    path: ['timestamp'],
    type: 'timestamp',
  }
  return { kind: 'within', subject: timestamp, from: { value: earliest, inclusive: true }, to: null }
}

/** A bound on the time of every event that satisfies the condition, computed from `now` alone; null: there is none. */
export function lowerBound(where: Condition): Value | null {
  for (const part of conjuncts(where)) {
    if (
      part.kind !== 'within' ||
      part.from === null ||
      !isRowMember(part.subject) ||
      part.subject.path.join('.') !== 'timestamp'
    )
      continue
    if (freeVariables(part.from.value).length === 0) return part.from.value
  }
  return null
}

/** Text fields that must have one of a few values for the condition to hold. */
function equalitiesOf(where: Condition): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const part of conjuncts(where)) {
    if (
      part.kind === 'compare' &&
      part.op === '=' &&
      part.of === 'text' &&
      isRowMember(part.left) &&
      part.right.kind === 'literal'
    )
      found.set(part.left.path.join('.'), [String(part.right.value)])
    if (
      part.kind === 'text' &&
      part.test === 'equals' &&
      !part.negated &&
      !part.ignoreCase &&
      isRowMember(part.left) &&
      part.right.kind === 'literal'
    )
      found.set(part.left.path.join('.'), [String(part.right.value)])
    if (
      part.kind === 'includes' &&
      !part.negated &&
      isRowMember(part.item) &&
      part.item.type === 'string' &&
      part.list.kind === 'list' &&
      part.list.items.every((item) => item.kind === 'literal')
    )
      found.set(
        part.item.path.join('.'),
        part.list.items.map((item) => String(item.kind === 'literal' ? item.value : '')),
      )
  }
  return found
}
