import { unitMilliseconds, unitMonths } from './calendar.ts'
import { type Condition, eachChild, hasPart, type Node, type Value, visit } from './ir.ts'

/** Why a condition cannot be evaluated on streams. */
export type StreamingReason = {
  readonly message: string
  readonly help: string
  /** The nodes that the reason is about; never empty. */
  readonly at: readonly Node[]
}

const hour = 3_600_000
const day = 24 * hour
const longestWindow = day

/**
 * Every reason against streaming evaluation; none when the condition is eligible. The rules (Experience Platform, streaming segmentation,
 * as of 20 May 2025): profile attributes; one event, or several in strict order, within 24 hours; both together. `isProfileOnly` says
 * whether a Segment reads profile attributes alone, as far as its references lead.
 */
export function streamingReasons(
  condition: Condition,
  isProfileOnly: (segment: string) => boolean,
): readonly StreamingReason[] {
  const facts = factsOf(condition)
  const reasons: StreamingReason[] = []
  for (const { what, lookback, window, source } of facts.queries) {
    if (lookback === Number.POSITIVE_INFINITY)
      reasons.push({
        message: `${what} are looked for without a time window of at most 24 hours`,
        help: 'Add one, as in `timestamp occurs <= 24 hours before now`, or set `evaluation: Batch`.',
        at: [source],
      })
    else if (lookback > longestWindow)
      reasons.push({
        message: `${what} are looked for over ${duration(lookback)}; streaming looks back 24 hours`,
        help: 'Narrow the window to `<= 24 hours before now` or `today`, or set `evaluation: Batch`.',
        at: [window ?? source],
      })
  }
  const asked = new Map(
    facts.queries.filter((query) => !query.negated && !query.ordered).map((query) => [query.key, query.source]),
  )
  if (asked.size > 1)
    reasons.push({
      message: `${asked.size} kinds of events are asked for in no order; streaming needs strict order`,
      help: 'Put them in one CHAIN, or into Segments of their own, or set `evaluation: Batch`.',
      at: [...asked.values()],
    })
  if (facts.queries.length > 0 && facts.queries.every((query) => query.negated) && !facts.asksProfile)
    reasons.push({
      message: 'Only the absence of an event is asked for; no event brings such a profile in',
      help: 'Ask for an event or an attribute too, or set `evaluation: Batch`.',
      at: facts.queries.map((query) => query.source),
    })
  if (facts.anniversaries.length > 0)
    reasons.push({
      message: 'A date is compared by month and day without its year',
      help: 'Streaming cannot follow anniversaries: set `evaluation: Batch`.',
      at: facts.anniversaries,
    })
  for (const [segment, nodes] of facts.segments) {
    if (facts.queries.length === 0 || isProfileOnly(segment)) continue
    reasons.push({
      message: `Events stand together with inSegment("${segment}"), which reads more than the profile`,
      help: 'Refer only to Segments of profile attributes, or set `evaluation: Batch`.',
      at: nodes,
    })
  }
  return [...Map.groupBy(reasons, ({ message }) => message).values()].map(([first, ...others]) => ({
    ...first!,
    at: [first!, ...others].flatMap(({ at }) => at),
  }))
}

/**
 * Where the condition reads events from ever on: neither by a window before now nor by a date does it say from when; `what` is the events in
 * words, for the start of a sentence.
 */
export function endlessSources(condition: Condition): readonly { readonly what: string; readonly at: Node }[] {
  return factsOf(condition)
    .queries.filter(({ lookback, isSince }) => lookback === Number.POSITIVE_INFINITY && !isSince)
    .map(({ what, source }) => ({ what, at: source }))
}

/** Whether the condition itself reads events; Segments that it refers to are left aside. */
export function readsEvents(condition: Condition): boolean {
  return hasPart(condition, ({ kind }) => kind === 'events' || kind === 'sequence')
}

type EventQuery = {
  /** Equal for equal filters. */
  readonly key: string
  /** The events in words, for the start of a sentence. */
  readonly what: string
  readonly negated: boolean
  /** How many milliseconds before now the events lie at most; Infinity without a window. */
  readonly lookback: number
  /** The node that limits the window; null where there is none. */
  readonly window: Node | null
  /** Whether a fixed instant, or the time of another event, says from when on. */
  readonly isSince: boolean
  /** The node that the events come from: the `events` or the `sequence`. */
  readonly source: Node
  /** Whether its time is bound to that of another event of the condition. */
  readonly ordered: boolean
}

type Facts = {
  readonly queries: EventQuery[]
  readonly segments: Map<string, Node[]>
  readonly anniversaries: Node[]
  asksProfile: boolean
}

/** One filter around events: the item's variable, and the condition on it. */
type Filter = { readonly variable: number; readonly where: Condition }

type Position = {
  readonly negated: boolean
  /** The lookback of the event that each variable stands for. */
  readonly events: ReadonlyMap<number, number>
}

function factsOf(condition: Condition): Facts {
  const facts: Facts = { queries: [], segments: new Map(), anniversaries: [], asksProfile: false }
  see(condition, { negated: false, events: new Map() }, facts)
  visit(condition, (node) => {
    if ((node.kind === 'compare' || node.kind === 'within' || node.kind === 'includes') && comparesAnniversary(node))
      facts.anniversaries.push(node)
  })
  return facts
}

function see(node: Node, position: Position, facts: Facts): void {
  const source =
    node.kind === 'any'
      ? eventSource(node.list)
      : node.kind === 'events' || node.kind === 'filter'
        ? eventSource(node)
        : null
  if (source) query(source.events, node.kind === 'any' ? [...source.filters, node] : source.filters, position, facts)
  else if (node.kind === 'sequence') {
    // Later steps come after the first, so the first step's window holds for all.
    const [first, ...later] = node.steps.map((step) => step.what)
    if (first) query(node, [{ variable: node.variable, where: first }], position, facts)
    for (const what of later)
      see(what, { ...position, events: new Map([...position.events, [node.variable, 0]]) }, facts)
  } else {
    if (node.kind === 'segment') facts.segments.set(node.name, [...(facts.segments.get(node.name) ?? []), node])
    if (node.kind === 'qualified') facts.segments.set(node.segment, [...(facts.segments.get(node.segment) ?? []), node])
    if (node.kind === 'segment' || node.kind === 'qualified' || node.kind === 'column') facts.asksProfile = true
    const turns = node.kind === 'not' || (node.kind === 'compare' && holdsForNone(node))
    const inner = { ...position, negated: position.negated !== turns }
    eachChild(node, (child) => see(child, inner, facts))
  }
}

function query(source: Node, filters: readonly Filter[], position: Position, facts: Facts): void {
  const windows = filters.map(({ where, variable }) => windowOf(where, variable, position))
  const { lookback, at } = windows.reduce(narrower, unlimited)
  facts.queries.push({
    key: JSON.stringify(source.kind === 'sequence' ? source : filters.map((filter) => filter.where)),
    what: whatOf(filters),
    negated: position.negated,
    lookback,
    window: at,
    isSince: filters.some(({ where, variable }) => isSince(where, variable)),
    source,
    ordered: filters.some((filter) => isTiedToEvent(filter, position)),
  })
  const events = new Map([
    ...position.events,
    ...filters.map((filter): [number, number] => [filter.variable, lookback]),
  ])
  for (const filter of filters) see(filter.where, { ...position, events }, facts)
}

/** The events and the filters around them; null when the list is anything else. */
function eventSource(list: Value): { readonly events: Node; readonly filters: readonly Filter[] } | null {
  if (list.kind === 'events') return { events: list, filters: [] }
  if (list.kind !== 'filter') return null
  const inner = eventSource(list.list)
  return inner && { events: inner.events, filters: [...inner.filters, list] }
}

/** How many milliseconds back events lie at most, and the comparison that says so. */
type Window = { readonly lookback: number; readonly at: Node | null }

const unlimited: Window = { lookback: Number.POSITIVE_INFINITY, at: null }

function narrower(a: Window, b: Window): Window {
  return b.lookback < a.lookback ? b : a
}

function wider(a: Window, b: Window): Window {
  return b.lookback > a.lookback ? b : a
}

/** How far back an event lies at most that satisfies the condition. */
function windowOf(where: Condition, variable: number, position: Position): Window {
  switch (where.kind) {
    case 'and':
      return where.items.map((item) => windowOf(item, variable, position)).reduce(narrower, unlimited)
    case 'or':
      return where.items.map((item) => windowOf(item, variable, position)).reduce(wider, { lookback: 0, at: null })
    case 'within':
      return where.from && isTimeOf(where.subject, variable)
        ? { lookback: lookbackOf(where.from.value, position), at: where }
        : unlimited
    default:
      return unlimited
  }
}

/** Whether each event that satisfies the condition lies after an instant that does not move with the clock. */
function isSince(where: Condition, variable: number): boolean {
  switch (where.kind) {
    case 'and':
      return where.items.some((item) => isSince(item, variable))
    case 'or':
      return where.items.every((item) => isSince(item, variable))
    case 'within':
      return where.from !== null && isTimeOf(where.subject, variable)
    default:
      return false
  }
}

/** The longest possible distance of a time before now, in milliseconds; Infinity when it does not count from now. */
function lookbackOf(time: Value, position: Position): number {
  switch (time.kind) {
    case 'now':
      return 0
    case 'floor':
      return lookbackOf(time.base, position) + longest(time.unit)
    case 'shift':
      return (
        lookbackOf(time.base, position) -
        (time.amount < 0 ? time.amount * longest(time.unit) : time.amount * shortest(time.unit))
      )
    case 'member':
      return time.object.kind === 'variable' && isTimeOf(time, time.object.id)
        ? (position.events.get(time.object.id) ?? Number.POSITIVE_INFINITY)
        : Number.POSITIVE_INFINITY
    default:
      return Number.POSITIVE_INFINITY
  }
}

const longest = (unit: keyof typeof unitMonths): number =>
  unitMilliseconds[unit] ?? (unitMonths[unit]! === 1 ? 31 * day : (unitMonths[unit]! / 12) * 366 * day)
const shortest = (unit: keyof typeof unitMonths): number =>
  unitMilliseconds[unit] ?? (unitMonths[unit]! === 1 ? 28 * day : (unitMonths[unit]! / 12) * 365 * day)

function isTimeOf(value: Value, variable: number): boolean {
  return (
    value.kind === 'member' &&
    value.object.kind === 'variable' &&
    value.object.id === variable &&
    value.path.join('.') === 'timestamp'
  )
}

/** Whether the event's time is compared with that of an event further out, as in a CHAIN. */
function isTiedToEvent(filter: Filter, position: Position): boolean {
  let tied = false
  visit(filter.where, (node) => {
    if (node.kind !== 'within' || !isTimeOf(node.subject, filter.variable)) return
    for (const bound of [node.from, node.to])
      tied ||=
        bound !== null && hasPart(bound.value, (part) => part.kind === 'variable' && position.events.has(part.id))
  })
  return tied
}

/** Whether a comparison such as `xEvent[…].count() = 0` is true without any event: it then asks for the absence of events. */
function holdsForNone(node: Extract<Condition, { kind: 'compare' }>): boolean {
  const isTotal = (value: Value): boolean =>
    value.kind === 'fold' && (value.fold === 'count' || value.fold === 'sum') && readsEventList(value)
  const [left, right] = isTotal(node.left) ? [0, node.right] : isTotal(node.right) ? [node.left, 0] : [null, null]
  const side = (value: Value | number | null): number | null =>
    typeof value === 'number'
      ? value
      : value?.kind === 'literal' && typeof value.value === 'number'
        ? value.value
        : null
  const [a, b] = [side(left), side(right)]
  if (a === null || b === null) return false
  switch (node.op) {
    case '=':
      return a === b
    case '!=':
      return a !== b
    case '<':
      return a < b
    case '<=':
      return a <= b
    case '>':
      return a > b
    case '>=':
      return a >= b
  }
}

function readsEventList(value: Value): boolean {
  return hasPart(value, ({ kind }) => kind === 'events')
}

/** Whether a month or day of a profile's date is compared with the current one. */
function comparesAnniversary(node: Condition): boolean {
  const isPartOfColumn = (part: Node): boolean =>
    part.kind === 'part' &&
    (part.part === 'month' || part.part === 'day') &&
    hasPart(part.of, ({ kind }) => kind === 'column')
  return hasPart(node, ({ kind }) => kind === 'now') && hasPart(node, isPartOfColumn)
}

function whatOf(filters: readonly Filter[]): string {
  for (const { where, variable } of filters) {
    for (const part of where.kind === 'and' ? where.items : [where]) {
      if (
        part.kind !== 'compare' ||
        part.op !== '=' ||
        part.right.kind !== 'literal' ||
        typeof part.right.value !== 'string'
      )
        continue
      const { left } = part
      if (
        left.kind === 'member' &&
        left.object.kind === 'variable' &&
        left.object.id === variable &&
        part.right.value.length <= 30
      )
        return `"${part.right.value}" events`
    }
  }
  return 'Events'
}

function duration(milliseconds: number): string {
  if (milliseconds % day === 0) return `${milliseconds / day} days`
  if (milliseconds % hour === 0) return `${milliseconds / hour} hours`
  return `${Math.ceil(milliseconds / 60_000)} minutes`
}
