import { alternatives, nearest } from '../../suggest.ts'
import type { Expr } from '../ast.ts'
import { type PqlFix, replacement, replacements } from '../fault.ts'
import { type FunctionEntry, type FunctionName, functions, isFunction } from '../functions.ts'
import type { FunctionHandler, MethodHandler } from './arguments.ts'
import { type Checking, written } from './context.ts'
import * as extensions from './extensions.ts'
import * as lists from './list-calls.ts'
import * as maps from './map-calls.ts'
import type { Meaning, Scope } from './meaning.ts'
import * as others from './other-calls.ts'

/** The meaning of each function: a new function is added here and in the table of functions. */
const handlers: {
  readonly [Name in FunctionName]: (typeof functions)[Name]['form'] extends 'method' ? MethodHandler : FunctionHandler
} = {
  startsWith: others.textHandler('startsWith'),
  doesNotStartWith: others.textHandler('startsWith', true),
  endsWith: others.textHandler('endsWith'),
  doesNotEndWith: others.textHandler('endsWith', true),
  contains: others.textHandler('contains'),
  doesNotContain: others.textHandler('contains', true),
  equals: others.equalityHandler(false),
  notEqualTo: others.equalityHandler(true),
  like: others.textHandler('like'),
  matches: others.matchesHandler,
  regexGroup: others.regexGroup,
  count: lists.count,
  sum: lists.foldHandler('sum'),
  average: lists.foldHandler('average'),
  min: lists.foldHandler('min'),
  max: lists.foldHandler('max'),
  exists: lists.quantifierHandler('exists'),
  forall: lists.quantifierHandler('forall'),
  filter: lists.filter,
  map: lists.map,
  includes: lists.includesHandler,
  intersects: lists.overlapHandler('intersects'),
  intersection: lists.overlapHandler('intersection'),
  subsetOf: lists.overlapHandler('subsetOf'),
  supersetOf: lists.overlapHandler('supersetOf'),
  distinct: lists.distinct,
  groupBy: lists.groupBy,
  topN: lists.topHandler('highest'),
  bottomN: lists.topHandler('lowest'),
  head: lists.head,
  getMonth: others.partHandler('month'),
  getYear: others.partHandler('year'),
  getDayOfMonth: others.partHandler('day'),
  currentMonth: others.currentHandler('month'),
  currentYear: others.currentHandler('year'),
  currentDayOfMonth: others.currentHandler('day'),
  date: others.dateHandler,
  get: maps.get,
  keys: maps.keys,
  values: maps.values,
  mapEntry: others.mapEntry,
  isNull: others.nullHandler(true),
  isNotNull: others.nullHandler(false),
  length: extensions.textLength,
  trim: extensions.trim,
  concat: extensions.concat,
  split: extensions.split,
  getDayOfWeek: others.partHandler('weekday'),
  getHour: others.partHandler('hour'),
  currentDayOfWeek: others.currentHandler('weekday'),
  currentHour: others.currentHandler('hour'),
  hoursBetween: extensions.betweenHandler('hour'),
  daysBetween: extensions.betweenHandler('day'),
  monthsBetween: extensions.betweenHandler('month'),
  yearsBetween: extensions.betweenHandler('year'),
  age: extensions.age,
  ignoreYear: extensions.ignoreYear,
  inTimeZone: extensions.inTimeZone,
  inSegment: others.inSegment,
  if: others.ifHandler,
}

/** `function(…)` and `value.method(…)`. */
export function call(checking: Checking, expr: Extract<Expr, { kind: 'call' }>, scope: Scope): Meaning {
  const { name, receiver } = expr
  if (!isFunction(name)) return reportUnknownFunction(checking, expr, scope)
  const { form, signature } = functions[name]
  if ((receiver === null) === (form === 'function')) {
    // A method's handler gets a receiver, as just checked; a function's handler does not look at it.
    const handle: FunctionHandler = handlers[name] as FunctionHandler
    return handle(checking, { ...expr, name }, scope)
  }
  return checking.report({
    code: 'pql-unknown-function',
    message: `\`${name}\` stands ${form === 'method' ? 'after what it is applied to' : 'on its own'}`,
    span: expr.nameSpan,
    help: `Write \`${signature}\`.`,
    fixes: turnedRound(checking, expr),
  })
}

/** Turns `count(xEvent)` into `xEvent.count()`. */
function turnedRound(checking: Checking, expr: Extract<Expr, { kind: 'call' }>): readonly PqlFix[] {
  const [first, ...others] = expr.args
  if (expr.receiver !== null || !first || !['name', 'field', 'call', 'filter', 'group'].includes(first.kind)) return []
  const [object, ...args] = [first, ...others].map((arg) => written(checking, arg.span))
  return [replacement(expr.span, `${object}.${expr.name}(${args.join(', ')})`)]
}

/** How many functions a help lists. */
const mostListed = 10

function reportUnknownFunction(checking: Checking, expr: Extract<Expr, { kind: 'call' }>, scope: Scope): null {
  const form = expr.receiver === null ? 'function' : 'method'
  if (expr.name.toLowerCase() === 'stringcompare') return reportStringCompare(checking, expr)
  const groups = expr.receiver === null ? null : groupsOf(checking.meaning(expr.receiver, scope))
  const possible = functionNames.filter(
    (name) => functions[name].form === form && (groups === null || groups.includes(functions[name].group)),
  )
  const habit = habits.get(expr.name.toLowerCase())
  const meant = habit ? possible.filter((name) => name === habit.instead) : nearest(expr.name, possible)
  const listed = possible.filter((name) => !isExtension(name))
  const more = listed.length > mostListed ? ` and ${listed.length - mostListed} more` : ''
  return checking.report({
    code: 'pql-unknown-function',
    message: `There is no ${form} \`${expr.name}\` in PQL`,
    span: expr.nameSpan,
    help:
      habit?.help ??
      (meant.length > 0
        ? `Did you mean ${alternatives(meant)}?`
        : `${groups === null ? 'PQL has' : 'Here there are'} ${alternatives(listed.slice(0, mostListed))}${more}.`),
    fixes: replacements(expr.nameSpan, meant),
  })
}

const comparisons: ReadonlyMap<string, FunctionName> = new Map<string, FunctionName>([
  ...(['startsWith', 'doesNotStartWith', 'endsWith', 'doesNotEndWith', 'contains', 'doesNotContain'] as const).map(
    (name): [string, FunctionName] => [name.toLowerCase(), name],
  ),
  ['equals', 'equals'],
  ...['notequals', 'doesnotequal', 'notequalto'].map((name): [string, FunctionName] => [name, 'notEqualTo']),
])

/** Reports `stringCompare("equals", field, ["a", "b"], false)`, which no page on PQL documents, with PQL's way to write it. */
function reportStringCompare(checking: Checking, { nameSpan, span, args }: Extract<Expr, { kind: 'call' }>): null {
  const [how, field, values, caseExpr] = args
  const name = how?.kind === 'literal' ? comparisons.get(String(how.value).toLowerCase()) : undefined
  const texts = values?.kind === 'array' ? values.items : values ? [values] : []
  const flag = caseExpr ? `, ${written(checking, caseExpr.span)}` : ''
  const one = (listed: readonly Expr[]): string =>
    `${field ? written(checking, field.span) : ''}.${name}(${listed.map((text) => written(checking, text.span)).join(', ')}${flag})`
  const meant =
    !name || !field || texts.length === 0
      ? null
      : name === 'equals' || name === 'notEqualTo' || texts.length === 1
        ? one(texts)
        : `(${texts.map((text) => one([text])).join(name.startsWith('doesNot') ? ' and ' : ' or ')})`
  return checking.report({
    code: 'pql-unknown-function',
    message: 'There is no function `stringCompare` in PQL',
    span: nameSpan,
    help: `Write \`${meant !== null && meant.length <= 120 ? meant : 'text.equals("a", "b", false)'}\`; \`false\` ignores case.`,
    fixes: meant === null ? [] : [{ ...replacement(span, meant, 'review'), title: `Write \`${name}\`` }],
  })
}

const functionNames = Object.keys(functions) as FunctionName[] // its keys

function isExtension(name: FunctionName): boolean {
  const entry: FunctionEntry = functions[name]
  return entry.extension === true
}

/** The groups of functions that can be called on such a value; null: all. */
function groupsOf(meaning: Meaning): readonly FunctionEntry['group'][] | null {
  if (meaning?.kind === 'record') return ['object']
  if (meaning?.kind !== 'value') return null
  switch (meaning.type.kind) {
    case 'string':
      return ['text', 'object']
    case 'array':
      return ['array', 'aggregation', 'object']
    case 'map':
      return ['map', 'object']
    case 'date':
    case 'timestamp':
      return ['date', 'object']
    case 'integer':
    case 'number':
    case 'boolean':
    case 'object':
      return ['object']
  }
}

/** What people write by habit of another language: the next step, and PQL's function for it. */
type Habit = { readonly help: string; readonly instead?: FunctionName }

const habits: ReadonlyMap<string, Habit> = new Map<string, Habit>([
  ...['len', 'length', 'size'].map((name): [string, Habit] => [
    name,
    { help: 'For the number of items write `.count()`.', instead: 'count' },
  ]),
  ...['lower', 'lowercase', 'tolower', 'upper', 'uppercase', 'toupper'].map((name): [string, Habit] => [
    name,
    { help: 'To ignore case write `.equals(text, false)`.' },
  ]),
  ['avg', { help: 'Write `.average(…)`.', instead: 'average' }],
  ['first', { help: 'Write `.head()`.', instead: 'head' }],
  ['last', { help: 'Write `.topN(timestamp, 1).head()`.' }],
  ['has', { help: 'Write `.includes(value)` or `.exists(condition)`.' }],
  ['any', { help: 'Write `.exists(condition)`.', instead: 'exists' }],
  ['all', { help: 'Write `.forall(condition)`.', instead: 'forall' }],
  ...['in', 'isin', 'oneof', 'anyof', 'isoneof'].map((name): [string, Habit] => [
    name,
    { help: 'Write `value in ["a", "b"]`; to ignore case `.equals("a", "b", false)`.' },
  ]),
  ...['notequals', 'doesnotequal', 'notequal'].map((name): [string, Habit] => [
    name,
    { help: 'Write `.notEqualTo(text)` or `!=`.', instead: 'notEqualTo' },
  ]),
  ['equalsignorecase', { help: 'To ignore case write `.equals(text, false)`.' }],
  ...['datediff', 'dateadd', 'datesub', 'daysbetween', 'dayssince', 'age', 'ago', 'interval'].map(
    (name): [string, Habit] => [
      name,
      { help: 'How long ago something was is asked with `occurs`, as in `timestamp occurs <= 30 days before now`.' },
    ],
  ),
  ['isempty', { help: 'Write `.count() = 0` for arrays, `.isNull()` for values.' }],
])
