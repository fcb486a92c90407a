import type { DataType } from '#crds'
import { everyRule, ruleCondition } from './consent.ts'
import { type Model, type SegmentModel, segmentNames } from './model.ts'
import type { SegmentNames } from './pql/check.ts'
import {
  type Datum,
  type DatumObject,
  type EvaluationContext,
  type Examiner,
  examinerOf,
  holds,
  type Person,
  readDatum,
} from './pql/interpret.ts'
import { type CompareOp, type Condition, eachChild, freeVariables, type Node, type Value, visit } from './pql/ir.ts'
import { type Leaf, type Part, partsOf } from './pql/parts.ts'
import { dataTypeOf, typeAt, type UnionTypes } from './schema.ts'
import { nextFlip } from './segment-test/flip.ts'

/** JSON data: times in RFC 3339, dates as `2026-01-15`. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain }

/** Whether a part of a Segment's expression holds for one person, and the data that make it so. */
export type Explanation =
  | { readonly kind: 'and' | 'or'; readonly holds: boolean; readonly parts: readonly Explanation[] }
  | { readonly kind: 'not'; readonly holds: boolean; readonly parts: readonly [Explanation] }
  | {
      readonly kind: 'condition'
      readonly holds: boolean
      /** The part as it is written. */
      readonly text: string
      readonly found: readonly Found[]
      /** null where no number or time is compared, or the value is absent. */
      readonly compared: Comparison | null
    }
  | {
      readonly kind: 'segment'
      readonly holds: boolean
      readonly text: string
      readonly segment: string
      /** The other Segment's expression; empty where it was shown before, or does not compile. */
      readonly parts: readonly Explanation[]
    }

/** A number or time, the bound that it is compared with, and the distance between them. */
export type Comparison = {
  readonly value: Plain
  /** The operator, with the value on the left. */
  readonly op: CompareOp
  readonly bound: Plain
  /** The distance between value and bound, never negative; 0: the value is at the bound. For times in whole seconds. */
  readonly distance: number
  readonly unit: 'number' | 'seconds'
}

export type Found =
  /** A null value: the attribute is absent. */
  | { readonly kind: 'attribute'; readonly path: string; readonly value: Plain }
  /** A side of a comparison that is computed. */
  | { readonly kind: 'value'; readonly text: string; readonly value: Plain }
  | {
      readonly kind: 'events'
      /** How many events satisfy everything that is asked of one, and how many have happened. */
      readonly matching: number
      readonly of: number
      /** The latest of the matching events; where there are none, the latest of those that come nearest. */
      readonly shown: readonly ShownEvent[]
    }

export type ShownEvent = {
  readonly timestamp: string
  readonly matches: boolean
  /** What the condition reads, by dotted path, and the type of the event. */
  readonly fields: { readonly [path: string]: Plain }
  /**
   * Of an event that comes near: the conditions that it does not meet, as written, each with the event that stands against it where the
   * condition says that there is none. Absent where they cannot be told apart.
   */
  readonly unmet?: readonly { readonly text: string; readonly by: Against | null }[]
}

type Against = { readonly timestamp: string; readonly fields: { readonly [path: string]: Plain } }

/** What a ProfileStore's consent says of somebody: for everything that is sent (channel null) or for one channel. */
export type ConsentAnswer = {
  readonly channel: string | null
  readonly maySend: boolean
  readonly path: string
  /** null: absent. */
  readonly value: Plain
}

/** Whether a person, given in JSON as in the union schema, may be sent; empty where their store says nothing of consent. */
export function whyConsent(
  { store }: Pick<SegmentModel, 'store'>,
  person: { readonly attributes: unknown; readonly events: readonly unknown[] },
): readonly ConsentAnswer[] {
  if (!store) return []
  const context: EvaluationContext = { now: 0, inSegment: () => false }
  const someone = asPerson(person, store.types)
  const { valueOf } = examinerOf(someone, context)
  return everyRule(store).flatMap(({ rule, channel }): ConsentAnswer[] => {
    const condition = ruleCondition(rule, store.types)
    const type = typeAt(store.types.profile, rule.path)
    if (!condition || !type) return []
    const dataType = dataTypeOf(type)
    const value = plainOf(valueOf({ kind: 'column', path: rule.path, type: dataType }), dataType)
    return [{ channel, maySend: !holds(condition, someone, context), path: rule.path, value }]
  })
}

const shownEvents = 3

/**
 * Why a person, given in JSON as in the union schema, is or is not in a Segment at an instant. Segments that it refers to are evaluated
 * for the same instant. Found by the reference interpreter. null for a Segment that does not compile.
 */
export function whySegment(
  { store, resource }: SegmentModel,
  model: Model,
  person: StoredPerson,
  at: Date,
): Explanation | null {
  if (!store) return null
  const { namespace } = resource
  const segments: ExplainedSegments = {
    names: segmentNames(model, namespace, store),
    named: (name) => {
      const segment = model.segmentNamed(namespace, name)
      return segment?.condition ? { text: segment.resource.spec.expression, condition: segment.condition } : null
    },
  }
  return explanationOf(resource.name, segments, store.types, asPerson(person, store.types), at.getTime())
}

export type ExplainedSegments = {
  readonly names: SegmentNames
  /** null for a Segment that does not compile. */
  readonly named: (name: string) => { readonly text: string; readonly condition: Condition } | null
}

/** `now` is the evaluation instant in epoch milliseconds. */
export function explanationOf(
  segment: string,
  { names, named }: ExplainedSegments,
  types: UnionTypes,
  person: Person,
  now: number,
): Explanation | null {
  const context: EvaluationContext = {
    now,
    inSegment: (name) => {
      const condition = named(name)?.condition ?? null
      return condition !== null && holds(condition, person, context)
    },
  }
  const examiner = examinerOf(person, context)
  const shown = new Set<string>()
  const explained = (name: string): Explanation | null => {
    const expression = named(name)
    if (!expression || shown.has(name)) return null
    shown.add(name)
    const part = partsOf(expression.text, types, names)
    return part && explain(part)
  }
  const explain = (part: Part): Explanation => {
    switch (part.kind) {
      case 'and':
      case 'or': {
        const parts = part.items.map(explain)
        const isMet = part.kind === 'and' ? parts.every((each) => each.holds) : parts.some((each) => each.holds)
        return { kind: part.kind, holds: isMet, parts }
      }
      case 'not': {
        const inner = explain(part.item)
        return { kind: 'not', holds: !inner.holds, parts: [inner] }
      }
      case 'leaf': {
        const { text, condition } = part
        const isMet = holds(condition, person, context)
        if (condition.kind === 'segment') {
          const inner = explained(condition.name)
          return { kind: 'segment', holds: isMet, text, segment: condition.name, parts: inner ? [inner] : [] }
        }
        return {
          kind: 'condition',
          holds: isMet,
          text,
          found: foundBy(part, examiner),
          compared: comparedBy(condition, examiner),
        }
      }
    }
  }
  return explained(segment)
}

/** The data that a leaf condition read: attributes, computed sides of a comparison, events. */
function foundBy({ condition, sides, asked }: Leaf, examiner: Examiner): readonly Found[] {
  const found: Found[] = []
  const paths = new Set<string>()
  visit(condition, (node) => {
    if (node.kind !== 'column' && node.kind !== 'qualified') return
    const path = node.kind === 'column' ? node.path : membershipText(node)
    if (paths.has(path)) return
    paths.add(path)
    found.push({ kind: 'attribute', path, value: plainOf(examiner.valueOf(node), node.type) })
  })
  if (condition.kind === 'compare' && sides)
    for (const [index, value] of [condition.left, condition.right].entries())
      if (isComputed(value))
        found.push({ kind: 'value', text: sides[index]!, value: plainOf(examiner.valueOf(value), value.type) })
  for (const selection of selectionsIn(condition)) found.push(eventsFound(selection, asked, examiner))
  return found
}

/** A field of a membership, as expressions write it. */
function membershipText({ segment, part }: Extract<Value, { kind: 'qualified' }>): string {
  return `segmentMembership.get("ups").get("${segment}").${part === 'status' ? 'status' : 'lastQualificationTime'}`
}

const turned: Readonly<Record<CompareOp, CompareOp>> = {
  '=': '=',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
}

function comparedBy(condition: Condition, examiner: Examiner): Comparison | null {
  if (condition.kind === 'compare') {
    if (condition.of !== 'number' && condition.of !== 'instant') return null
    const isTurned = isFixed(condition.left) && !isFixed(condition.right)
    const [value, bound] = isTurned ? [condition.right, condition.left] : [condition.left, condition.right]
    return comparison(value, isTurned ? turned[condition.op] : condition.op, bound, examiner)
  }
  if (condition.kind === 'within') {
    const { subject, from, to } = condition
    const sides = [
      ...(from ? [comparison(subject, from.inclusive ? '>=' : '>', from.value, examiner)] : []),
      ...(to ? [comparison(subject, to.inclusive ? '<=' : '<', to.value, examiner)] : []),
    ]
    // The nearer bound is the one at which the answer changes first.
    return sides.reduce(
      (near, each) => (near && each && near.distance <= each.distance ? near : each),
      sides[0] ?? null,
    )
  }
  return null
}

function comparison(value: Value, op: CompareOp, bound: Value, examiner: Examiner): Comparison | null {
  const [a, b] = [examiner.valueOf(value), examiner.valueOf(bound)]
  if (typeof a !== 'number' || typeof b !== 'number') return null
  const isTime = value.type === 'timestamp' || value.type === 'date'
  const distance = Math.abs(a - b)
  return {
    value: plainOf(a, value.type),
    op,
    bound: plainOf(b, bound.type),
    // Without the noise of binary fractions, as in 0.3 - 0.1.
    distance: isTime ? Math.round(distance / 1000) : Number(distance.toPrecision(12)),
    unit: isTime ? 'seconds' : 'number',
  }
}

/** Whether the value is the same for everybody: made of literals and the clock. */
function isFixed(value: Value): boolean {
  let found = true
  visit(value, ({ kind }) => {
    if (kind === 'column' || kind === 'qualified' || kind === 'events' || kind === 'variable') found = false
  })
  return found
}

const asks = 20

/**
 * The first instant after `now` at which a person's answer changes although the data stay the same; null: never, or not as far as that
 * can be followed.
 */
export function turnsAt(
  { condition, store, resource }: SegmentModel,
  model: Model,
  person: StoredPerson,
  at: Date,
): Date | null {
  if (!condition || !store) return null
  const someone = asPerson(person, store.types)
  const conditionOf = (name: string): Condition | null =>
    model.segmentNamed(resource.namespace, name)?.condition ?? null
  const answer = (now: number): boolean => {
    const context: EvaluationContext = {
      now,
      inSegment: (name) => {
        const other = conditionOf(name)
        return other !== null && holds(other, someone, context)
      },
    }
    return holds(condition, someone, context)
  }
  const first = answer(at.getTime())
  let flip = nextFlip(condition, someone, at.getTime(), conditionOf)
  for (let asked = 1; flip !== null && asked <= asks; asked += 1) {
    if (answer(flip) !== first) return new Date(flip)
    flip = nextFlip(condition, someone, flip, conditionOf)
  }
  return null
}

/** Whether the value says more than its parts: attributes and literals are shown already. */
function isComputed({ kind }: Value): boolean {
  return !['column', 'literal', 'now', 'instant'].includes(kind)
}

/** Events, and what is asked of each; the condition reads the event as `variable`. */
type Selection = {
  readonly tests: readonly { readonly variable: number; readonly where: Condition }[]
  /** Other values that are read of each event. */
  readonly reads: readonly { readonly variable: number; readonly value: Value }[]
}

/** The selections of events in a condition, each place once. */
function selectionsIn(condition: Condition): readonly Selection[] {
  const selections: Selection[] = []
  const walk = (node: Node): void => {
    const selection = selectionOf(node)
    if (selection) selections.push(...selection)
    else eachChild(node, walk)
  }
  walk(condition)
  const seen = new Set<string>()
  return selections.filter((selection) => {
    const key = JSON.stringify(selection)
    return !seen.has(key) && seen.add(key)
  })
}

/** null for a node that does not ask for events itself. */
function selectionOf(node: Node): readonly Selection[] | null {
  switch (node.kind) {
    case 'events':
      return [{ tests: [], reads: [] }]
    case 'filter':
    case 'any': {
      const inner = selectionOf(node.list)
      // A condition that depends on something around it cannot be asked of an event alone.
      if (inner?.length !== 1 || freeVariables(node).length > 0) return null
      return inner.map(({ tests, reads }) => ({
        tests: [...tests, { variable: node.variable, where: node.where }],
        reads,
      }))
    }
    case 'map':
    case 'top': {
      const inner = selectionOf(node.list)
      if (inner?.length !== 1 || freeVariables(node).length > 0) return null
      const value = node.kind === 'map' ? node.to : node.by
      return inner.map(({ tests, reads }) => ({ tests, reads: [...reads, { variable: node.variable, value }] }))
    }
    case 'sequence':
      return node.steps.map(({ what }) => ({ tests: [{ variable: node.variable, where: what }], reads: [] }))
    default:
      return null
  }
}

function eventsFound({ tests, reads }: Selection, asked: Leaf['asked'], { events, holdsFor }: Examiner): Found {
  const parts = tests.flatMap(({ variable, where }) =>
    (where.kind === 'and' ? where.items : [where]).map((part) => ({ variable, part })),
  )
  const met = events.map(
    (event) => parts.filter(({ variable, part }) => holdsFor(part, new Map([[variable, event]]))).length,
  )
  const nearest = met.reduce((most, each) => Math.max(most, each), 0)
  const read = new Map<string, DataType>([['eventType', 'string']])
  const ofEach = [
    ...tests.map(({ variable, where }) => ({ variable, of: where })),
    ...reads.map(({ variable, value }) => ({ variable, of: value })),
  ]
  for (const { variable, of } of ofEach)
    visit(of, (node) => {
      if (node.kind === 'member' && node.object.kind === 'variable' && node.object.id === variable)
        read.set(node.path.join('.'), node.type)
    })
  read.delete('timestamp')
  const isToldApart =
    asked !== null && tests.length === 1 && asked.length === parts.length && parts.length > 1 && nearest < parts.length
  /** The latest event that there must not be, for a condition that there is none. */
  const against = (part: Condition, bound: ReadonlyMap<number, Datum>): Against | null => {
    if (part.kind !== 'not' || part.item.kind !== 'any' || part.item.list.kind !== 'events') return null
    const { variable, where } = part.item
    const event = events.findLast((each) => holdsFor(where, new Map([...bound, [variable, each]])))
    return event ? { timestamp: timeOf(event), fields: fieldsOf(event, read) } : null
  }
  const shown = events.flatMap((event, index) => (met[index] === nearest ? [event] : [])).slice(-shownEvents)
  return {
    kind: 'events',
    matching: met.filter((each) => each === parts.length).length,
    of: events.length,
    shown: shown.reverse().map((event) => ({
      timestamp: timeOf(event),
      matches: nearest === parts.length,
      fields: fieldsOf(event, read),
      ...(isToldApart && {
        unmet: parts.flatMap(({ variable, part }, index) => {
          const bound = new Map([[variable, event]])
          return holdsFor(part, bound) ? [] : [{ text: asked[index]!, by: against(part, bound) }]
        }),
      }),
    })),
  }
}

function timeOf(event: DatumObject): string {
  return String(plainOf(event['timestamp'] ?? null, 'timestamp'))
}

function fieldsOf(event: DatumObject, read: ReadonlyMap<string, DataType>): { readonly [path: string]: Plain } {
  return Object.fromEntries(
    [...read].flatMap(([path, type]) => {
      const value = plainOf(dig(event, path), type)
      return value === null && path === 'eventType' ? [] : [[path, value] as const]
    }),
  )
}

function dig(event: DatumObject, path: string): Datum {
  return path.split('.').reduce<Datum>((datum, name) => {
    const isObject = typeof datum === 'object' && datum !== null && !Array.isArray(datum) && !(datum instanceof Map)
    return isObject ? ((datum as DatumObject)[name] ?? null) : null
  }, event)
}

/** A person as a store has it. */
export type StoredPerson = {
  readonly attributes: unknown
  readonly events: readonly unknown[]
  /** What the last evaluation says of Segments; absent: nothing. `since` in RFC 3339. */
  readonly memberships?: readonly { readonly segment: string; readonly isMember: boolean; readonly since: string }[]
}

function asPerson(person: StoredPerson, types: UnionTypes): Person {
  // The object; null where the value is none.
  const object = (value: unknown, type: UnionTypes['profile']): DatumObject =>
    (readDatum(value, dataTypeOf(type)) as DatumObject | null) ?? {}
  const { event } = types
  return {
    attributes: object(person.attributes, types.profile),
    events: event ? person.events.map((each) => object(each, event)) : [],
    memberships: new Map(
      person.memberships?.map(({ segment, isMember, since }) => [
        segment,
        { status: isMember ? 'realized' : 'exited', since: Date.parse(since) },
      ]),
    ),
  }
}

function plainOf(datum: Datum, type: DataType): Plain {
  if (datum === null) return null
  if (Array.isArray(datum)) {
    const items = typeof type === 'object' && 'items' in type ? type.items : 'string'
    return datum.map((item: Datum) => plainOf(item, items))
  }
  if (datum instanceof Map) {
    const values = typeof type === 'object' && 'values' in type ? type.values : 'string'
    return Object.fromEntries([...datum].map(([key, item]: [string, Datum]) => [key, plainOf(item, values)]))
  }
  if (typeof datum === 'object') {
    const fields = typeof type === 'object' && 'fields' in type ? type.fields : {}
    return Object.fromEntries(
      Object.entries(datum).map(([name, item]) => [name, plainOf(item, fields[name] ?? 'string')]),
    )
  }
  if (typeof datum === 'number' && (type === 'timestamp' || type === 'date')) {
    const text = new Date(datum).toISOString()
    return type === 'date' ? text.slice(0, 10) : text.replace('.000Z', 'Z')
  }
  // JSON has no -0.
  if (datum === 0) return 0
  return datum as string | number | boolean // nothing else is left
}
