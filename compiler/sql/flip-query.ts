import type { Column, MembershipQuery } from '#crds'
import { type Condition, eachChild, freeVariables, hasPart, type Node, type Value, variablesOf } from '../pql/ir.ts'
import { duckdb } from './duckdb.ts'
import { earliestEvent, membershipQuery } from './membership-query.ts'
import { type Binding, printerOf } from './print.ts'
import { isTime, lowerBound, onRow, row, type SegmentCondition } from './share.ts'

/** The query for Segments that are evaluated again and again, with the query that finds whom to look at. */
export function streamingQuery(
  segments: readonly SegmentCondition[],
  eventColumns: readonly Column[],
): MembershipQuery {
  const flips = flipQuery(
    segments.map(({ condition }) => condition),
    eventColumns,
  )
  const earliest = earliestEvent(segments, eventColumns)
  return {
    ...membershipQuery(segments, eventColumns),
    flips: flips.sql,
    ...(flips.earliest && earliest && earliest.length > 0
      ? { earliest: `least(${[...new Set(['$now', ...flips.earliest, ...earliest])].join(', ')})` }
      : {}),
  }
}

/**
 * SELECT of "$profile" over the relations `profiles` and `events`: everybody for whom one of the conditions may differ at `$now` from
 * `$since`, as far as time alone can change it. It may find more people (where a clock is read in a way that no single row shows), never
 * fewer. At either instant it reads no event before the first of `earliest`; null: it reads all events.
 *
 * A tree has the same value at two instants if all its parts that read the clock have. So the largest such parts that can be computed
 * from a profile's row or an event's row are compared at both instants, row by row. Anything else that reads the clock is taken apart
 * further, in the end to the clock itself, which always differs.
 */
export function flipQuery(
  conditions: readonly Condition[],
  eventColumns: readonly Column[],
): { readonly sql: string; readonly earliest: readonly string[] | null } {
  const columns = new Set(eventColumns.map(({ path }) => path))
  const ofProfiles = new Map<string, Node>()
  const ofEvents = new Map<string, Node>()
  let readsEvents = false
  let everybody = false
  const walk = (node: Node, events: ReadonlySet<number>): void => {
    if (node.kind === 'events' || node.kind === 'sequence') readsEvents = true
    // Who came or left in the version before has new data here, and nobody says who that is.
    if (node.kind === 'qualified') everybody = true
    if (readsClock(node)) {
      // The largest part wins: what is compared as a whole is not walked into.
      if (isOfProfile(node)) return void ofProfiles.set(JSON.stringify(node), node)
      const own = onEvent(node, events, columns)
      if (own) return void ofEvents.set(JSON.stringify(own), own)
    }
    const inner = boundBy(node, events)
    eachChild(node, (child, isBound) => walk(child, isBound ? inner : events))
  }
  for (const condition of conditions) walk(condition, new Set())
  if (everybody) return { sql: 'SELECT "$profile" FROM profiles', earliest: null }

  const printer = printerOf(duckdb)
  const print = (node: Node, bindings: ReadonlyMap<number, Binding>): string =>
    isCondition(node) ? `(${printer.condition(node, bindings)} IS TRUE)` : printer.value(node, bindings)
  const differs = (sql: string): string => `(${since(sql)}) IS DISTINCT FROM (${sql})`
  const onRows = new Map<number, Binding>([[row, { kind: 'row' }]])
  const profileTests = [...ofProfiles.values()].map((node) => differs(print(node, new Map())))
  const eventTests = [...ofEvents.values()].map((node) => differs(print(node, onRows)))
  // An event that was dated ahead at `$since` may have happened by `$now`.
  if (readsEvents) eventTests.push(differs('("timestamp" <= $now)'))
  const bounds = [...ofEvents.values()].map((node) => (isCondition(node) ? lowerBound(node) : null))
  const earliest = bounds.every((bound) => bound !== null)
    ? [...new Set(['$now', ...bounds.map((bound) => printer.value(bound, onRows))])]
    : null
  // Rows before every window, at either instant, cannot differ, and are not looked at.
  const within =
    earliest === null ? '' : `"timestamp" >= least(${[...earliest, ...earliest.map(since)].join(', ')}) AND `
  // The row's own time is compared first: few events lie where the edge of a window has passed.
  const edges = [...ofEvents.values()].map(edgesOf)
  const passed = edges.every((own) => own !== null)
    ? `(${[...new Set(['$now', ...edges.flat().map((edge) => printer.value(edge, onRows))])].map(between).join(' OR ')}) AND `
    : ''
  const selects = [
    `SELECT "$profile" FROM profiles WHERE ${profileTests.join(' OR ') || 'FALSE'}`,
    ...(eventTests.length === 0
      ? []
      : [`SELECT "$profile" FROM events WHERE ${within}${passed}(${eventTests.join(' OR ')})`]),
  ]
  return { sql: selects.join('\nUNION\n'), earliest }
}

/**
 * The instants with which a part compares the event's own time, where it reads the clock for nothing else: its value is the same at both
 * instants for an event that lies between none of them then and now. null: it reads the clock otherwise.
 */
function edgesOf(part: Node): readonly Value[] | null {
  if (part.kind === 'now') return null
  const bounds =
    part.kind === 'within' && isTime(part.subject) ? [part.from, part.to].filter((bound) => bound !== null) : []
  const own = bounds.map(({ value }) => value).filter(readsClock)
  if (!own.every(isShifted)) return null
  const edges: Value[] = [...own]
  let isKnown = true
  eachChild(part, (child) => {
    if (own.some((value) => value === child)) return
    const found = edgesOf(child)
    if (found === null) isKnown = false
    else edges.push(...found)
  })
  return isKnown ? edges : null
}

/** Whether an instant is the clock's, moved by a fixed span or back to the start of a unit; it is never null. */
function isShifted(value: Value): boolean {
  return value.kind === 'now' || ((value.kind === 'shift' || value.kind === 'floor') && isShifted(value.base))
}

/** The condition that an event lies between an instant as it was and as it is. */
function between(sql: string): string {
  return `("timestamp" >= least(${since(sql)}, ${sql}) AND "timestamp" <= greatest(${since(sql)}, ${sql}))`
}

/** The SQL at the earlier instant. */
function since(sql: string): string {
  return sql.replaceAll('$now', () => '$since')
}

function readsClock(node: Node): boolean {
  return hasPart(node, ({ kind }) => kind === 'now')
}

function isOfProfile(node: Node): boolean {
  const readsOthers = hasPart(node, ({ kind }) => ['events', 'sequence', 'segment', 'qualified'].includes(kind))
  return !readsOthers && freeVariables(node).length === 0
}

/** The node over the row of the one event that it reads; null where it reads anything else, or a field of the event that is no column. */
function onEvent(node: Node, events: ReadonlySet<number>, columns: ReadonlySet<string>): Node | null {
  const [variable, ...others] = new Set(freeVariables(node).map(({ id }) => id))
  if (variable === undefined || others.length > 0 || !events.has(variable)) return null
  const own = onRow(node, variable)
  const isNoColumn = (part: Node): boolean =>
    part.kind === 'member' &&
    part.object.kind === 'variable' &&
    part.object.id === row &&
    !columns.has(part.path.join('.'))
  return own !== null && !hasPart(own, isNoColumn) ? own : null
}

/** The variables inside a node that stand for events, with those that the node binds. */
function boundBy(node: Node, events: ReadonlySet<number>): ReadonlySet<number> {
  const own = variablesOf(node)
  if (own.length === 0) return events
  const isEvent = node.kind === 'sequence' || ('list' in node && isEvents(node.list))
  return new Set([...[...events].filter((id) => !own.includes(id)), ...(isEvent ? own : [])])
}

function isEvents(list: Value): boolean {
  if (list.kind === 'events') return true
  return (list.kind === 'filter' || list.kind === 'top' || list.kind === 'distinct') && isEvents(list.list)
}

const conditionKinds: Readonly<Record<Condition['kind'], true>> = {
  constant: true,
  and: true,
  or: true,
  not: true,
  compare: true,
  within: true,
  isTrue: true,
  isDefined: true,
  any: true,
  text: true,
  matches: true,
  includes: true,
  overlap: true,
  segment: true,
  sequence: true,
}

function isCondition(node: Node): node is Condition {
  return Object.hasOwn(conditionKinds, node.kind)
}
