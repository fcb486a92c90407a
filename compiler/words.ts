import { type Model, type SegmentModel, type StoreModel, segmentNames } from './model.ts'
import type { Unit } from './pql/ast.ts'
import type { Bound, CompareOp, Condition, Fold, Value } from './pql/ir.ts'
import { type Part, partsOf } from './pql/parts.ts'

/** Parts of a text: plain words, emphasised words, a Segment's name, data, and code as written. */
export type Word =
  | string
  | { readonly strong: string }
  | { readonly segment: string }
  | { readonly data: string }
  | { readonly code: string }

export type Phrase = readonly Word[]

/** An expression in words, as `and` and `or` put it together. */
export type Words =
  | { readonly kind: 'and' | 'or'; readonly items: readonly Words[] }
  | { readonly kind: 'phrase'; readonly phrase: Phrase }

/** What a Segment's expression says, in words; parts without good words stand as written. null for an expression that does not compile. */
export function segmentWords({ resource, store, condition }: SegmentModel, model: Model): Words | null {
  if (!store || condition === null) return null
  const part = partOf(resource.spec.expression, store, model)
  return part && wordsOf(part)
}

/** The parts of an expression over a store that compiles. */
export function partOf(
  expression: string,
  store: StoreModel,
  model: Pick<Model, 'segments' | 'segmentNamed'>,
): Part | null {
  return partsOf(expression, store.types, segmentNames(model, store.resource.namespace, store))
}

export function wordsOf(part: Part): Words {
  switch (part.kind) {
    case 'and':
    case 'or':
      return { kind: part.kind, items: part.items.map(wordsOf) }
    case 'not': {
      const phrase = part.item.kind === 'leaf' ? phraseOf(part.item.condition, true) : null
      return { kind: 'phrase', phrase: phrase ?? ['not: ', { code: partText(part.item) }] }
    }
    case 'leaf':
      return { kind: 'phrase', phrase: phraseOf(part.condition, false) ?? [{ code: oneLine(part.text) }] }
  }
}

/** The words of one part, on one line; `isNegated`: for those for whom it does not hold. */
export function partPhrase(part: Part, isNegated = false): Phrase {
  if (part.kind === 'leaf')
    return (
      phraseOf(part.condition, isNegated) ?? [...(isNegated ? ['does not hold: '] : []), { code: oneLine(part.text) }]
    )
  if (part.kind === 'not') return partPhrase(part.item, !isNegated)
  const joint = (part.kind === 'and') !== isNegated ? ' and ' : ' or '
  return part.items.flatMap((item, index): Phrase => [...(index > 0 ? [joint] : []), ...partPhrase(item, isNegated)])
}

function partText(part: Part): string {
  if (part.kind === 'leaf') return oneLine(part.text)
  if (part.kind === 'not') return `not (${partText(part.item)})`
  return part.items
    .map((item) => (item.kind === 'leaf' ? partText(item) : `(${partText(item)})`))
    .join(` ${part.kind} `)
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ')
}

/** null where there are no good words. */
function phraseOf(condition: Condition, isNegated: boolean): Phrase | null {
  switch (condition.kind) {
    case 'constant':
      return [condition.value !== isNegated ? 'everybody' : 'nobody']
    case 'not':
      return phraseOf(condition.item, !isNegated)
    case 'segment':
      return [isNegated ? 'is not in ' : 'is in ', { segment: condition.name }]
    case 'any': {
      const events = eventsOf({ ...condition, kind: 'filter', type: condition.list.type })
      if (!events) return null
      return isNegated ? [{ strong: 'no' }, ' ', ...nounOf(events, 1)] : [articleOf(events), ...nounOf(events, 1)]
    }
    case 'compare':
      return comparePhrase(condition, isNegated)
    case 'isTrue':
    case 'isDefined': {
      const name = attributeOf(condition.value)
      if (name === null) return null
      if (condition.kind === 'isTrue') return [name, isNegated ? ' is not true' : ' is true']
      return [name, isNegated ? ' is not known' : ' is known']
    }
    case 'within':
    case 'text':
    case 'includes': {
      const phrase = attributePhrase(condition, attributeOf)
      if (!phrase) return null
      return isNegated ? ['not: ', ...phrase] : phrase
    }
    case 'sequence': {
      if (isNegated) return null
      const steps = condition.steps.map(({ what, count }): Phrase | null => {
        const events = eventsThat([what])
        if (!events) return null
        return count === 1
          ? [articleOf(events), ...nounOf(events, 1)]
          : [{ strong: numberText(count) }, ' ', ...nounOf(events, count)]
      })
      if (steps.some((step) => step === null)) return null
      return steps.flatMap((step, index): Phrase => [...(index > 0 ? [', and after it '] : []), ...step!])
    }
    default:
      return null
  }
}

function comparePhrase(
  { op, left, right }: Extract<Condition, { kind: 'compare' }>,
  isNegated: boolean,
): Phrase | null {
  const counted = left.kind === 'fold' && left.fold === 'count' ? eventsOf(left.list) : null
  if (counted && right.kind === 'literal' && typeof right.value === 'number') {
    // A count is never absent, so a count that is not ten or more is fewer than ten.
    const how = isNegated ? opposite[op] : op
    const { value } = right
    if ((how === '=' && value === 0) || (how === '<' && value === 1) || (how === '<=' && value === 0))
      return [{ strong: 'no' }, ' ', ...nounOf(counted, 1)]
    if ((how === '>=' && value === 1) || (how === '>' && value === 0))
      return [articleOf(counted), ...nounOf(counted, 1)]
    const words = {
      '>=': `${numberText(value)} or more`,
      '>': `more than ${numberText(value)}`,
      '<': `fewer than ${numberText(value)}`,
      '<=': `${numberText(value)} or fewer`,
      '=': `exactly ${numberText(value)}`,
      '!=': `not exactly ${numberText(value)}`,
    }[how]
    return [{ strong: words }, ' ', ...nounOf(counted, how === '=' ? value : 2)]
  }
  const [subject, object] = [valuePhrase(left), valuePhrase(right)]
  if (!subject || !object) return null
  const isNumber = right.kind === 'literal' && typeof right.value === 'number'
  const known = isNegated && canBeAbsent(left) ? ', or is not known' : ''
  const how = isNegated ? opposite[op] : op
  if (isNumber) {
    return [...subject, ' is ', { strong: boundText(how, Number(right.value)) }, known]
  }
  const isText = right.kind === 'literal'
  const words = { '>=': 'at least ', '>': 'more than ', '<': 'less than ', '<=': 'at most ', '=': '', '!=': 'not ' }[
    how
  ]
  const bounded = isText || how === '=' || how === '!=' || isAmount(right)
  return bounded ? [...subject, ' is ', words, ...object, known] : null
}

/** `3 or more`, `not 3` */
function boundText(op: CompareOp, bound: number): string {
  const value = numberText(bound)
  return {
    '>=': `${value} or more`,
    '>': `more than ${value}`,
    '<': `less than ${value}`,
    '<=': `${value} or less`,
    '=': value,
    '!=': `not ${value}`,
  }[op]
}

const opposite: Readonly<Record<CompareOp, CompareOp>> = {
  '=': '!=',
  '!=': '=',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
}

function canBeAbsent(value: Value): boolean {
  return !(value.kind === 'fold' && (value.fold === 'count' || value.fold === 'sum'))
}

function isAmount({ kind }: Value): boolean {
  return kind === 'fold' || kind === 'arithmetic' || kind === 'column'
}

const folds: Readonly<Record<Exclude<Fold, 'count'>, string>> = {
  sum: 'the sum of ',
  average: 'the average of ',
  min: 'the lowest ',
  max: 'the highest ',
}

function valuePhrase(value: Value): Phrase | null {
  switch (value.kind) {
    case 'literal':
      return typeof value.value === 'number'
        ? [{ strong: numberText(value.value) }]
        : typeof value.value === 'boolean'
          ? [{ strong: String(value.value) }]
          : [{ data: value.value }]
    case 'column': {
      const name = attributeOf(value)
      return name === null ? null : [name]
    }
    case 'fold': {
      if (value.fold === 'count') {
        const events = eventsOf(value.list)
        return events && ['the number of ', ...allOf(events)]
      }
      if (value.list.kind !== 'map') return null
      const { to, variable } = value.list
      const events = eventsOf(value.list.list)
      const of = memberOf(to, variable)
      return events && of !== null ? [folds[value.fold], of, ' of ', ...allOf(events)] : null
    }
    case 'arithmetic': {
      const [left, right] = [valuePhrase(value.left), valuePhrase(value.right)]
      const words = { '*': ' times ', '-': ' minus ', '+': ' plus ', '/': ' divided by ', '%': null }[value.op]
      return left && right && words ? [...left, words, ...right] : null
    }
    default:
      return null
  }
}

/** Events of one kind within a window, with everything else that is asked of each. */
type Events = { readonly type: string | null; readonly window: string | null; readonly more: readonly Phrase[] }

function eventsOf(list: Value): Events | null {
  if (list.kind === 'events') return eventsThat([])
  if (list.kind !== 'filter' || list.list.kind !== 'events') return null
  return eventsThat([list.where])
}

function eventsThat(conditions: readonly Condition[]): Events | null {
  let type: string | null = null
  const windows: { from: Bound | null; to: Bound | null }[] = []
  const more: Phrase[] = []
  let isChoice = false
  for (const each of conditions.flatMap(conjuncts)) {
    const own = each.kind === 'compare' ? memberOf(each.left) : null
    if (each.kind === 'compare' && each.op === '=' && own === 'event type' && type === null) {
      if (each.right.kind !== 'literal') return null
      type = String(each.right.value)
      continue
    }
    if (each.kind === 'within' && memberOf(each.subject) === 'timestamp') {
      windows.push({ from: each.from, to: each.to })
      continue
    }
    const phrase = eventPhrase(each)
    if (!phrase) return null
    isChoice ||= each.kind === 'or'
    more.push(phrase)
  }
  // Words cannot show which of several `and` an `or` belongs to.
  if (isChoice && more.length > 1) return null
  const window = windows.length === 0 ? null : windowText(windows)
  return windows.length > 0 && window === null ? null : { type, window, more }
}

function conjuncts(condition: Condition): readonly Condition[] {
  return condition.kind === 'and' ? condition.items.flatMap(conjuncts) : [condition]
}

function eventPhrase(condition: Condition): Phrase | null {
  if (condition.kind === 'or') {
    const phrases = condition.items.map(eventPhrase)
    if (phrases.some((phrase) => phrase === null)) return null
    return phrases.flatMap((phrase, index): Phrase => [...(index > 0 ? [' or '] : []), ...phrase!])
  }
  if (condition.kind === 'compare') {
    const name = memberOf(condition.left)
    const { right, op } = condition
    if (name === null || right.kind !== 'literal') return null
    if (typeof right.value === 'string') return op === '=' ? [`${name} is `, { data: right.value }] : null
    if (typeof right.value !== 'number') return null
    return op === '!=' ? null : [`${name} is `, { strong: boundText(op, right.value) }]
  }
  return attributePhrase(condition, memberOf)
}

/** What is asked of something that has a name. */
function attributePhrase(condition: Condition, nameOf: (value: Value) => string | null): Phrase | null {
  switch (condition.kind) {
    case 'within': {
      const name = nameOf(condition.subject)
      const window = windowText([condition])
      return name === null || window === null ? null : [`${name} `, { strong: window }]
    }
    case 'includes': {
      const name = nameOf(condition.item)
      if (name === null || condition.list.kind !== 'list') return null
      const items = condition.list.items.map((item) => (item.kind === 'literal' ? { data: String(item.value) } : null))
      if (items.some((item) => item === null)) return null
      const list = items.flatMap(
        (item, index): Phrase => [...(index === 0 ? [] : [index === items.length - 1 ? ' or ' : ', ']), item!],
      )
      return [
        `${name} ${condition.negated ? 'is known, and none of ' : items.length > 1 ? 'is one of ' : 'is '}`,
        ...list,
      ]
    }
    case 'text': {
      const name = nameOf(condition.left)
      const verb = {
        contains: 'contains',
        startsWith: 'begins with',
        endsWith: 'ends with',
        equals: 'is',
        like: null,
      }[condition.test]
      if (name === null || verb === null || condition.negated || condition.right.kind !== 'literal') return null
      return [
        `${name} ${verb} `,
        { data: String(condition.right.value) },
        condition.ignoreCase ? ' (large or small)' : '',
      ]
    }
    default:
      return null
  }
}

function articleOf({ type }: Events): string {
  return type === null || /^[aeiou]/i.test(type) ? 'an ' : 'a '
}

function nounOf({ type, window, more }: Events, number: number, ever = ', ever'): Phrase {
  const noun: Phrase =
    type === 'purchase'
      ? [number === 1 ? 'purchase' : 'purchases']
      : [...(type === null ? [] : [{ data: type }, ' ']), number === 1 ? 'event' : 'events']
  const what = more.flatMap((phrase, index): Phrase => [index === 0 ? ' whose ' : ' and ', ...phrase])
  const when: Phrase = window === null ? [ever] : [more.length > 0 ? ', ' : ' ', { strong: window }]
  return [...noun, ...what, ...when]
}

/** Phrases for events that are counted together: all of them, where no window is named. */
function allOf(events: Events): Phrase {
  return [...(events.window === null ? ['all '] : []), ...nounOf(events, 2, '')]
}

const unitWords: Readonly<Record<string, string>> = { century: 'centuries', millennium: 'millennia' }

function lengthText(amount: number, unit: Unit): string {
  const size = Math.abs(amount)
  return `${numberText(size)} ${size === 1 ? unit : (unitWords[unit] ?? `${unit}s`)}`
}

/** `in the last 30 days`, `more than 30 and up to 60 days ago`, `last month`. */
function windowText(windows: readonly { readonly from: Bound | null; readonly to: Bound | null }[]): string | null {
  if (windows.length === 1) {
    const { from, to } = windows[0]!
    const whole = from && to ? calendarText(from, to) : null
    if (whole !== null) return whole
  }
  // Several windows together are their overlap, told by the one bound at each end that matters.
  let begin: { readonly amount: number; readonly unit: Unit; readonly inclusive: boolean } | null = null
  let end: { readonly amount: number; readonly unit: Unit; readonly inclusive: boolean } | null = null
  for (const { from, to } of windows) {
    for (const [bound, isFrom] of [
      [from, true],
      [to, false],
    ] as const) {
      if (bound === null) continue
      const { value } = bound
      if (value.kind === 'now') {
        if (isFrom) return null
        continue
      }
      if (value.kind !== 'shift' || value.base.kind !== 'now' || value.amount >= 0) return null
      const known = isFrom ? begin : end
      if (known) return null
      const own = { amount: value.amount, unit: value.unit, inclusive: bound.inclusive }
      if (isFrom) begin = own
      else end = own
    }
  }
  if (begin && !end) return `in the last ${begin.amount === -1 ? begin.unit : lengthText(begin.amount, begin.unit)}`
  if (end && !begin)
    return end.inclusive
      ? `${lengthText(end.amount, end.unit)} ago or longer`
      : `more than ${lengthText(end.amount, end.unit)} ago`
  if (!begin || !end || begin.unit !== end.unit) return null
  const near = `${end.inclusive ? '' : 'more than '}${numberText(Math.abs(end.amount))}`
  const far = `${begin.inclusive ? 'up to' : 'less than'} ${lengthText(begin.amount, begin.unit)}`
  return `${near} and ${far} ago`
}

/** `today`, `yesterday`, `this week`, `last month`: from one start of a unit to the next. */
function calendarText(from: Bound, to: Bound): string | null {
  const [start, end] = [startOf(from.value), startOf(to.value)]
  if (!start || !end || !from.inclusive || to.inclusive || start.unit !== end.unit || end.steps !== start.steps + 1)
    return null
  const { unit, steps } = start
  if (unit === 'day') return { '-1': 'yesterday', '0': 'today', '1': 'tomorrow' }[String(steps)] ?? null
  return { '-1': `last ${unit}`, '0': `this ${unit}`, '1': `next ${unit}` }[String(steps)] ?? null
}

function startOf(value: Value): { readonly unit: Unit; readonly steps: number } | null {
  if (value.kind === 'floor' && value.base.kind === 'now') return { unit: value.unit, steps: 0 }
  if (value.kind !== 'shift' || value.base.kind !== 'floor' || value.base.base.kind !== 'now') return null
  return value.base.unit === value.unit ? { unit: value.unit, steps: value.amount } : null
}

/** The attribute's name: `household kids` for `household.kids`. */
function attributeOf(value: Value): string | null {
  if (value.kind === 'instant') return attributeOf(value.value)
  return value.kind === 'column' ? pathWords(value.path.split('.')) : null
}

function memberOf(value: Value, variable: number | null = null): string | null {
  if (value.kind !== 'member' || value.object.kind !== 'variable') return null
  return variable === null || value.object.id === variable ? pathWords(value.path) : null
}

function pathWords(path: readonly string[]): string {
  return path
    .map((name) => name.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').replaceAll('_', ' '))
    .join(' ')
    .toLowerCase()
}

function numberText(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 6 })
}
