import type { DataType } from '#crds'
import { dataTypeOf, describe, type Type } from '../schema.ts'
import { alternatives, nearest } from '../suggest.ts'
import type { Expr } from './ast.ts'
import { makeDate } from './calendar.ts'
import type { Checker } from './check.ts'
import type { FunctionName } from './functions.ts'
import type { Condition, Fold, TextTest, Value } from './ir.ts'
import {
  type BoundGenerator,
  classOf,
  date,
  integer,
  isNumeric,
  type Meaning,
  number,
  type Scope,
  text,
  timestamp,
} from './meaning.ts'
import { now } from './moment.ts'

/** One item per tuple of the generators that keeps all their conditions. */
export function tupleList(bound: readonly BoundGenerator[], to: Value): Value {
  let result = to
  for (const [index, generator] of [...bound].reverse().entries()) {
    const list: Value = generator.where
      ? {
          kind: 'filter',
          list: generator.list,
          variable: generator.variable,
          where: generator.where,
          type: { items: dataTypeOf(generator.items) },
        }
      : generator.list
    const mapped: Value = { kind: 'map', list, variable: generator.variable, to: result, type: { items: result.type } }
    result =
      index === 0
        ? mapped
        : { kind: 'flatten', list: mapped, type: { items: (result.type as { items: DataType }).items } } // the inner result is a list from the second turn on
  }
  return result
}

type Handler = (checker: Checker, expr: Extract<Expr, { kind: 'call' }>, scope: Scope) => Meaning

const textHandler =
  (test: TextTest, negated = false): Handler =>
  (checker, expr, scope) =>
    checker.takes(expr, 1, 2)
      ? checker.textTest(test, negated, expr.receiver!, expr.args[0]!, expr.args[1] ?? null, scope)
      : null

const foldHandler =
  (fold: Exclude<Fold, 'count'>): Handler =>
  (checker, expr, scope) => {
    if (!checker.takes(expr, 0, 1)) return null
    const list = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, `\`${fold}\``)
    if (!list) return null
    const valueExpr = expr.args[0]
    if (!valueExpr) {
      if (list.items.kind === 'object')
        return checker.mismatch(
          expr.nameSpan,
          `\`${fold}\` does not know which number of the items is meant`,
          `Write \`.${fold}(field)\`.`,
        )
      return checker.foldOver(
        fold,
        { value: { kind: 'literal', value: 0, type: dataTypeOf(list.items) }, type: list.items },
        expr.nameSpan,
        () => list.value,
      )
    }
    const inner = checker.inside(list.items, expr.receiver!, scope)
    const checked = checker.value(valueExpr, inner.scope)
    return (
      checked &&
      checker.foldOver(fold, checked, valueExpr.span, (to) => ({
        kind: 'map',
        list: list.value,
        variable: inner.variable,
        to,
        type: { items: to.type },
      }))
    )
  }

const partHandler =
  (part: 'year' | 'month' | 'day'): Handler =>
  (checker, expr, scope) => {
    if (!checker.takes(expr, 0, 0)) return null
    const of = checker.instant(expr.receiver!, scope)
    return of && { kind: 'value', value: { kind: 'part', part, of, type: 'integer' }, type: integer }
  }

const currentHandler =
  (part: 'year' | 'month' | 'day'): Handler =>
  (checker, expr) =>
    checker.takes(expr, 0, 0)
      ? { kind: 'value', value: { kind: 'part', part, of: now, type: 'integer' }, type: integer }
      : null

const topHandler =
  (order: 'highest' | 'lowest'): Handler =>
  (checker, expr, scope) => {
    if (!checker.takes(expr, 2, 2)) return null
    const list = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, `\`${expr.name}\``)
    if (!list) return null
    const inner = checker.inside(list.items, expr.receiver!, scope)
    const by = checker.value(expr.args[0]!, inner.scope)
    const count = checker.wholeNumber(
      expr.args[1]!,
      1_000_000,
      scope,
      'For the other end of the order there is `bottomN` and `topN`.',
    )
    if (!by || count === null) return null
    if (!isNumeric(by.type) && by.type.kind !== 'timestamp' && by.type.kind !== 'date') {
      return checker.mismatch(
        expr.args[0]!.span,
        `\`${expr.name}\` orders by a number or a time, this is ${describe(by.type)}`,
        'Name a field of type number, date or date-time.',
      )
    }
    return {
      kind: 'value',
      value: {
        kind: 'top',
        list: list.value,
        variable: inner.variable,
        by: by.value,
        order,
        count,
        type: { items: dataTypeOf(list.items) },
      },
      type: { kind: 'array', items: list.items },
    }
  }

const overlapHandler =
  (test: 'intersects' | 'subsetOf' | 'supersetOf' | 'intersection'): Handler =>
  (checker, expr, scope) => {
    if (!checker.takes(expr, 1, 1)) return null
    const left = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, `\`${test}\``)
    const right = checker.list(checker.meaning(expr.args[0]!, scope), expr.args[0]!.span, `\`${test}\``)
    if (!left || !right) return null
    const leftClass = classOf(left.items)
    if (leftClass === null || leftClass !== classOf(right.items)) {
      return checker.mismatch(
        expr.args[0]!.span,
        `\`${test}\` needs two arrays of the same scalar type`,
        'Compare arrays of text with text, numbers with numbers.',
      )
    }
    if (test === 'intersection')
      return {
        kind: 'value',
        value: { kind: 'intersection', left: left.value, right: right.value, type: { items: dataTypeOf(left.items) } },
        type: { kind: 'array', items: left.items },
      }
    return { kind: 'condition', condition: { kind: 'overlap', test, left: left.value, right: right.value } }
  }

const quantifierHandler =
  (kind: 'exists' | 'forall'): Handler =>
  (checker, expr, scope) => {
    if (!checker.takes(expr, 1, 1)) return null
    const list = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, `\`${kind}\``)
    if (!list) return null
    const inner = checker.inside(list.items, expr.receiver!, scope)
    const where = checker.condition(expr.args[0]!, inner.scope)
    if (!where) return null
    const any: Condition = {
      kind: 'any',
      list: list.value,
      variable: inner.variable,
      where: kind === 'forall' ? { kind: 'not', item: where } : where,
    }
    return { kind: 'condition', condition: kind === 'forall' ? { kind: 'not', item: any } : any }
  }

const nullHandler =
  (isNull: boolean): Handler =>
  (checker, expr, scope) => {
    if (!checker.takes(expr, 0, 0)) return null
    const meaning = checker.meaning(expr.receiver!, scope)
    if (meaning === null) return null
    const defined: Condition | null =
      meaning.kind === 'record'
        ? meaning.base.kind === 'object' && meaning.base.path.length === 0
          ? { kind: 'isDefined', value: meaning.base.value }
          : checker.recordDefined(meaning, expr.span)
        : meaning.kind === 'value'
          ? { kind: 'isDefined', value: meaning.value }
          : { kind: 'constant', value: true }
    return defined && { kind: 'condition', condition: isNull ? { kind: 'not', item: defined } : defined }
  }

/** What each function means: the one place that a new one is added to, beside its entry in the table. */
export const handlers: Record<FunctionName, Handler> = {
  startsWith: textHandler('startsWith'),
  doesNotStartWith: textHandler('startsWith', true),
  endsWith: textHandler('endsWith'),
  doesNotEndWith: textHandler('endsWith', true),
  contains: textHandler('contains'),
  doesNotContain: textHandler('contains', true),
  equals: textHandler('equals'),
  notEqualTo: textHandler('equals', true),
  like: textHandler('like'),
  matches: (checker, expr, scope) =>
    checker.takes(expr, 1, 1) ? checker.matches(expr.receiver!, expr.args[0]!, scope) : null,
  regexGroup: (checker, expr, scope) => {
    if (!checker.takes(expr, 2, 2)) return null
    const value = checker.text(expr.receiver!, scope, '`regexGroup`')
    const regex = checker.regex(expr.args[0]!)
    const group = checker.wholeNumber(
      expr.args[1]!,
      1_000_000,
      scope,
      'Count opening parentheses from 1; 0 is the whole match.',
    )
    if (!value || !regex || group === null) return null
    if (group > regex.groups)
      return checker.mismatch(
        expr.args[1]!.span,
        `The regular expression has ${regex.groups} group${regex.groups === 1 ? '' : 's'}, not ${group}`,
        'Count opening parentheses from 1; 0 is the whole match.',
      )
    return { kind: 'value', value: { kind: 'regexGroup', value, regex, group, type: 'string' }, type: text }
  },
  count: (checker, expr, scope) => {
    if (!checker.takes(expr, 0, 0)) return null
    const list = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, '`count`')
    return list && checker.folded('count', list.value, integer)
  },
  sum: foldHandler('sum'),
  average: foldHandler('average'),
  min: foldHandler('min'),
  max: foldHandler('max'),
  exists: quantifierHandler('exists'),
  forall: quantifierHandler('forall'),
  filter: (checker, expr, scope) => {
    if (!checker.takes(expr, 1, 1)) return null
    const list = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, '`filter`')
    return list && checker.filtered(list, expr.receiver!, expr.args[0]!, scope)
  },
  map: (checker, expr, scope) => {
    if (!checker.takes(expr, 1, 1)) return null
    const receiver = checker.meaning(expr.receiver!, scope)
    const argument = expr.args[0]!
    if (receiver?.kind === 'value' && receiver.type.kind === 'map')
      return mapEntries(checker, receiver.value, receiver.type.values, argument, scope)
    const list = checker.list(receiver, expr.receiver!.span, '`map`')
    if (!list) return null
    const inner = checker.inside(list.items, expr.receiver!, scope)
    const lambda = argument.kind === 'lambda' && argument.parameters.length === 1 ? argument : null
    const body = lambda ? lambda.body : argument
    const bodyScope = lambda
      ? { ...inner.scope, variables: new Map([...inner.scope.variables, [lambda.parameters[0]!.name, inner.item]]) }
      : inner.scope
    const to = checker.value(body, bodyScope)
    return (
      to &&
      checker.flattened(
        { kind: 'map', list: list.value, variable: inner.variable, to: to.value, type: { items: to.value.type } },
        to.type,
      )
    )
  },
  includes: (checker, expr, scope) => {
    if (!checker.takes(expr, 1, 1)) return null
    const list = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, '`includes`')
    const item = checker.value(expr.args[0]!, scope)
    return list && item && checker.includes(item, expr.args[0]!, list, expr.receiver!, false)
  },
  intersects: overlapHandler('intersects'),
  intersection: overlapHandler('intersection'),
  subsetOf: overlapHandler('subsetOf'),
  supersetOf: overlapHandler('supersetOf'),
  distinct: (checker, expr, scope) => {
    if (!checker.takes(expr, 0, 0)) return null
    const list = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, '`distinct`')
    if (!list) return null
    if (classOf(list.items) === null)
      return checker.report({
        code: 'pql-unsupported',
        message: '`distinct` works on arrays of scalars',
        span: expr.nameSpan,
        help: 'Map the items to a field first: `.map(field).distinct()`.',
      })
    return {
      kind: 'value',
      value: { kind: 'distinct', list: list.value, type: { items: dataTypeOf(list.items) } },
      type: { kind: 'array', items: list.items },
    }
  },
  groupBy: (checker, expr, scope) => {
    if (!checker.takes(expr, 1, 1)) return null
    const list = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, '`groupBy`')
    if (!list) return null
    const inner = checker.inside(list.items, expr.receiver!, scope)
    const key = checker.value(expr.args[0]!, inner.scope)
    if (!key) return null
    if (key.type.kind !== 'string' && key.type.kind !== 'integer' && key.type.kind !== 'boolean') {
      return checker.report({
        code: 'pql-unsupported',
        message: `\`groupBy\` groups by text, whole numbers or true/false, this is ${describe(key.type)}`,
        span: expr.args[0]!.span,
        help: 'Group by such a field.',
      })
    }
    const type: Type = { kind: 'map', values: { kind: 'array', items: list.items } }
    return {
      kind: 'value',
      value: { kind: 'groupBy', list: list.value, variable: inner.variable, key: key.value, type: dataTypeOf(type) },
      type,
    }
  },
  topN: topHandler('highest'),
  bottomN: topHandler('lowest'),
  head: (checker, expr, scope) => {
    if (!checker.takes(expr, 0, 0)) return null
    const list = checker.list(checker.meaning(expr.receiver!, scope), expr.receiver!.span, '`head`')
    return list && checker.meaningOf({ kind: 'first', list: list.value, type: dataTypeOf(list.items) }, list.items)
  },
  getMonth: partHandler('month'),
  getYear: partHandler('year'),
  getDayOfMonth: partHandler('day'),
  currentMonth: currentHandler('month'),
  currentYear: currentHandler('year'),
  currentDayOfMonth: currentHandler('day'),
  date: (checker, expr, scope) => {
    const only = expr.args.length === 1 ? expr.args[0]! : null
    const dashed =
      only?.kind === 'literal' && typeof only.value === 'string' ? /^(\d{4})-0?(\d+)-0?(\d+)$/.exec(only.value) : null
    if (dashed) {
      const fixed = `date(${Number(dashed[1])}, ${dashed[2]}, ${dashed[3]})`
      return checker.mismatch(only!.span, '`date` takes year, month and day as numbers', `Write ${fixed}.`, {
        fixes: [{ title: `Replace with ${fixed}`, span: expr.span, text: fixed, safety: 'safe' }],
      })
    }
    if (!checker.takes(expr, 3, 3)) return null
    const [year, month, day] = expr.args.map((arg) => checker.numeric(arg, scope))
    const parts = [year, month, day].map((part) => (part?.kind === 'literal' ? Number(part.value) : null))
    if (parts.every((part) => part !== null) && makeDate(parts[0]!, parts[1]!, parts[2]!) === null)
      checker.mismatch(
        expr.span,
        `There is no day ${parts.join('-')} in the calendar`,
        'Absent, it makes every comparison false; write a real day.',
        { severity: 'warning' },
      )
    return year && month && day
      ? { kind: 'value', value: { kind: 'makeDate', year, month, day, type: 'date' }, type: date }
      : null
  },
  get: (checker, expr, scope) => {
    if (!checker.takes(expr, 1, 1)) return null
    const map = mapOf(checker, expr, scope)
    const key = checker.text(expr.args[0]!, scope, '`get`')
    return (
      map && key && checker.meaningOf({ kind: 'get', map: map.value, key, type: dataTypeOf(map.values) }, map.values)
    )
  },
  keys: (checker, expr, scope) => {
    const map = checker.takes(expr, 0, 0) ? mapOf(checker, expr, scope) : null
    return (
      map && {
        kind: 'value',
        value: { kind: 'keys', map: map.value, type: { items: 'string' } },
        type: { kind: 'array', items: text },
      }
    )
  },
  values: (checker, expr, scope) => {
    const map = checker.takes(expr, 0, 0) ? mapOf(checker, expr, scope) : null
    if (!map) return null
    return checker.flattened({ kind: 'values', map: map.value, type: { items: dataTypeOf(map.values) } }, map.values)
  },
  mapEntry: (checker, expr) =>
    checker.report({
      code: 'pql-syntax',
      message: '`mapEntry` stands only as the body of the lambda that `map` takes',
      span: expr.nameSpan,
      help: 'Write `map.map((K, V) => mapEntry(K, …))`.',
    }),
  isNull: nullHandler(true),
  isNotNull: nullHandler(false),
  inSegment: (checker, expr) => {
    if (!checker.takes(expr, 1, 1)) return null
    const argument = expr.args[0]!
    if (argument.kind === 'error') return null
    if (argument.kind !== 'literal' || typeof argument.value !== 'string') {
      return checker.report({
        code: 'pql-unsupported',
        message: '`inSegment` takes the name of a Segment as text',
        span: argument.span,
        help: 'Write inSegment("name").',
      })
    }
    const name = argument.value
    const span = { start: argument.span.start + 1, end: argument.span.end - 1 }
    checker.references.push({ name, span })
    if (!checker.names.segments.has(name)) {
      const near = nearest(name, checker.names.segments)
      return checker.report({
        code: 'unresolved-reference',
        message: `There is no Segment \`${name}\` in this ProfileStore`,
        span,
        help:
          near.length > 0
            ? `Did you mean ${alternatives(near)}?`
            : 'Name a Segment of the same namespace and ProfileStore, or add it.',
        fixes: near.map((candidate) => ({
          title: `Replace with \`${candidate}\``,
          span,
          text: candidate,
          safety: 'review' as const,
        })),
      })
    }
    return { kind: 'condition', condition: { kind: 'segment', name } }
  },
  if: (checker, expr, scope) => {
    if (!checker.takes(expr, 3, 3)) return null
    const test = checker.condition(expr.args[0]!, scope)
    const yes = checker.value(expr.args[1]!, scope)
    const no = checker.value(expr.args[2]!, scope)
    if (!test || !yes || !no) return null
    const of = (type: Type, otherwise = no.value): Meaning =>
      checker.meaningOf({ kind: 'choose', test, yes: yes.value, no: otherwise, type: dataTypeOf(type) }, type)
    const type = yes.type.kind === 'string' ? text : yes.type
    if (isNumeric(type) && isNumeric(no.type)) return of(type.kind === no.type.kind ? type : number)
    if (JSON.stringify(dataTypeOf(type)) === JSON.stringify(dataTypeOf(no.type))) return of(type)
    const coerced = classOf(type) === null ? null : checker.coerced(no, type, expr.args[2]!)
    if (coerced) return of(classOf(type) === 'instant' ? timestamp : type, coerced)
    return checker.mismatch(
      expr.args[2]!.span,
      `Both outcomes of \`if\` have one type; these are ${describe(type)} and ${describe(no.type)}`,
      'Write both alike.',
    )
  },
}

/** What people write from habit of other languages. */
type Habit = readonly [name: string, habit: { readonly help: string; readonly instead?: FunctionName }]

export const habits = new Map<Habit[0], Habit[1]>([
  ...['len', 'length', 'size'].map(
    (name) => [name, { help: 'For the number of items write `.count()`.', instead: 'count' }] as const,
  ),
  ...['lower', 'lowercase', 'tolower', 'upper', 'uppercase', 'toupper'].map(
    (name) => [name, { help: 'To ignore case write `.equals(text, false)`.' }] as const,
  ),
  ['avg', { help: 'Write `.average(…)`.', instead: 'average' }],
  ['first', { help: 'Write `.head()`.', instead: 'head' }],
  ['last', { help: 'Write `.topN(timestamp, 1).head()`.' }],
  ['has', { help: 'Write `.includes(value)` or `.exists(condition)`.' }],
  ['any', { help: 'Write `.exists(condition)`.', instead: 'exists' }],
  ['all', { help: 'Write `.forall(condition)`.', instead: 'forall' }],
  ['isempty', { help: 'Write `.count() = 0` for arrays, `.isNull()` for values.' }],
])

function mapOf(
  checker: Checker,
  expr: Extract<Expr, { kind: 'call' }>,
  scope: Scope,
): { value: Value; values: Type } | null {
  const meaning = checker.meaning(expr.receiver!, scope)
  if (meaning === null) return null
  if (meaning.kind === 'value' && meaning.type.kind === 'map')
    return { value: meaning.value, values: meaning.type.values }
  return checker.mismatch(
    expr.receiver!.span,
    `\`${expr.name}\` needs a map`,
    'Maps are fields with `additionalProperties`, and what `groupBy` gives.',
  )
}

function mapEntries(checker: Checker, map: Value, values: Type, lambda: Expr, scope: Scope): Meaning {
  const help = 'Write `map.map((K, V) => mapEntry(K, …))`.'
  if (lambda.kind !== 'lambda' || lambda.parameters.length !== 2)
    return checker.mismatch(lambda.span, '`map` on a map takes a lambda of key and value', help)
  const body = lambda.body.kind === 'group' ? lambda.body.inner : lambda.body
  if (body.kind !== 'call' || body.name !== 'mapEntry' || body.receiver !== null || body.args.length !== 2)
    return checker.mismatch(body.span, 'The lambda gives a `mapEntry`', help)
  const keyVariable = scope.depth + 1
  const valueVariable = scope.depth + 2
  const [keyName, valueName] = [lambda.parameters[0]!.name, lambda.parameters[1]!.name]
  const inner: Scope = {
    ...scope,
    depth: valueVariable,
    variables: new Map<string, Meaning>([
      ...scope.variables,
      [keyName, { kind: 'value', value: { kind: 'variable', id: keyVariable, type: 'string' }, type: text }],
      [valueName, checker.meaningOf({ kind: 'variable', id: valueVariable, type: dataTypeOf(values) }, values)],
    ]),
  }
  const key = checker.text(body.args[0]!, inner, '`mapEntry`')
  const value = checker.value(body.args[1]!, inner)
  if (!key || !value) return null
  const type: Type = { kind: 'map', values: value.type }
  return {
    kind: 'value',
    value: { kind: 'mapEntries', map, keyVariable, valueVariable, key, value: value.value, type: dataTypeOf(type) },
    type,
  }
}
