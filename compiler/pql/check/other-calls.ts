import { dataTypeOf, describe, type Type } from '../../schema.ts'
import type { Expr } from '../ast.ts'
import { makeDate } from '../calendar.ts'
import { replacement } from '../fault.ts'
import type { Condition, TextTest } from '../ir.ts'
import {
  type Call,
  type FunctionHandler,
  type MethodCall,
  type MethodHandler,
  takes,
  takesBetween,
} from './arguments.ts'
import { type Checking, mismatch, syntax, unsupported, written } from './context.ts'
import { dayIn } from './extensions.ts'
import {
  classOf,
  conditionMeaning,
  date,
  integer,
  isNumeric,
  type Meaning,
  meaningOf,
  number,
  text,
  timestamp,
  valueMeaning,
} from './meaning.ts'
import { now } from './moment.ts'
import { coerced, conditionIn, instantIn, numberIn, recordDefined, textIn, valueIn, wholeNumberIn } from './operand.ts'
import { reportUnknownSegment } from './qualification.ts'
import { matches, regexIn, textTest } from './text.ts'

// ---- text

export const textHandler =
  (test: TextTest, negated = false): MethodHandler =>
  (checking, call, scope) => {
    if (hasSeveralTexts(call)) return reportSeveralTexts(checking, call, negated)
    const [other, caseExpr] = takesBetween(checking, call, 1, 2) ?? []
    return other ? textTest(checking, { test, negated }, call.receiver, [other], caseExpr ?? null, scope) : null
  }

/** `equals("a", "b")`: the text is one of these; `notEqualTo("a", "b")`: it is none of these. */
export const equalityHandler =
  (negated: boolean): MethodHandler =>
  (checking, call, scope) => {
    const args = takesBetween(checking, call, 1, Number.POSITIVE_INFINITY)
    if (!args) return null
    const { texts, caseExpr } = textArguments(call)
    const list = texts.find((each) => each.kind === 'array')
    if (list)
      return mismatch(
        checking,
        list.span,
        `\`${call.name}\` takes texts one by one, not in a list`,
        `Write them without brackets: \`.${call.name}("a", "b")\`.`,
        { fixes: [replacement(list.span, written(checking, { start: list.span.start + 1, end: list.span.end - 1 }))] },
      )
    return textTest(checking, { test: 'equals', negated }, call.receiver, texts, caseExpr, scope)
  }

/** The texts of a call, and its last argument where that says whether case counts. */
function textArguments({ args }: Call): { readonly texts: readonly Expr[]; readonly caseExpr: Expr | null } {
  const last = args.at(-1)
  const isCase = args.length > 1 && last?.kind === 'literal' && typeof last.value === 'boolean'
  return isCase ? { texts: args.slice(0, -1), caseExpr: last } : { texts: args, caseExpr: null }
}

function hasSeveralTexts(call: Call): boolean {
  const { texts } = textArguments(call)
  return texts.length > 1 && texts.every((each) => each.kind === 'literal' && typeof each.value === 'string')
}

function reportSeveralTexts(checking: Checking, call: MethodCall, negated: boolean): null {
  const { texts, caseExpr } = textArguments(call)
  const flag = caseExpr ? `, ${written(checking, caseExpr.span)}` : ''
  const receiver = written(checking, call.receiver.span)
  const each = texts.map((text) => `${receiver}.${call.name}(${written(checking, text.span)}${flag})`)
  const all = `(${each.join(negated ? ' and ' : ' or ')})`
  return mismatch(
    checking,
    texts[1]!.span,
    `\`${call.name}\` takes one text`,
    all.length <= 100 ? `Write \`${all}\`.` : `Write it for each, with \`${negated ? 'and' : 'or'}\` between them.`,
    { fixes: [{ ...replacement(call.span, all, 'review'), title: 'Write it for each text' }] },
  )
}

export const matchesHandler: MethodHandler = (checking, call, scope) => {
  const args = takes(checking, call, 1)
  return args && matches(checking, call.receiver, args[0], scope)
}

export const regexGroup: MethodHandler = (checking, call, scope) => {
  const args = takes(checking, call, 2)
  if (!args) return null
  const countHelp = 'Count opening parentheses from 1; 0 is the whole match.'
  const value = textIn(checking, call.receiver, scope, '`regexGroup`')
  const regex = regexIn(checking, args[0])
  const group = wholeNumberIn(checking, args[1], 1_000_000, scope, countHelp)
  if (!value || !regex || group === null) return null
  if (group > regex.groups)
    return mismatch(
      checking,
      args[1].span,
      `The regular expression has ${regex.groups} group${regex.groups === 1 ? '' : 's'}, not ${group}`,
      countHelp,
    )
  return valueMeaning({ kind: 'regexGroup', value, regex, group, type: 'string' }, text)
}

// ---- time

type Part = 'year' | 'month' | 'day' | 'weekday' | 'hour'

export const partHandler =
  (part: Part): MethodHandler =>
  (checking, call, scope) => {
    const of = takes(checking, call, 0) && instantIn(checking, call.receiver, scope)
    return of && valueMeaning({ kind: 'part', part, of, type: 'integer' }, integer)
  }

export const currentHandler =
  (part: Part): FunctionHandler =>
  (checking, call) =>
    takes(checking, call, 0) && valueMeaning({ kind: 'part', part, of: now, type: 'integer' }, integer)

/** `date(year, month, day)` */
export const dateHandler: FunctionHandler = (checking, call, scope) => {
  const [only, ...others] = call.args
  const dashed = only && others.length === 0 ? dashedDate(only) : null
  if (only && dashed)
    return mismatch(checking, only.span, '`date` takes year, month and day as numbers', `Write ${dashed}.`, {
      fixes: [{ ...replacement(call.span, dashed), title: `Replace with ${dashed}` }],
    })
  const args = takes(checking, call, 3)
  if (!args) return null
  const [year, month, day] = [
    numberIn(checking, args[0], scope),
    numberIn(checking, args[1], scope),
    numberIn(checking, args[2], scope),
  ]
  if (!year || !month || !day) return null
  if (year.kind === 'literal' && month.kind === 'literal' && day.kind === 'literal') {
    const parts = [Number(year.value), Number(month.value), Number(day.value)] as const
    if (makeDate(...parts) === null)
      mismatch(
        checking,
        call.span,
        `There is no day ${parts.join('-')} in the calendar`,
        'Absent, it makes every comparison false; write a real day.',
        { severity: 'warning' },
      )
  }
  return valueMeaning(dayIn(year, month, day), date)
}

/** `"2026-01-31"` as `date(2026, 1, 31)`; null for anything else. */
function dashedDate(expr: Expr): string | null {
  const [, year, month, day] =
    (expr.kind === 'literal' && typeof expr.value === 'string' && /^(\d{4})-0?(\d+)-0?(\d+)$/.exec(expr.value)) || []
  return year === undefined ? null : `date(${Number(year)}, ${month}, ${day})`
}

// ---- any value

export const nullHandler =
  (isNull: boolean): MethodHandler =>
  (checking, call, scope) => {
    const meaning = takes(checking, call, 0) && checking.meaning(call.receiver, scope)
    const defined = meaning && isDefined(checking, meaning, call)
    return conditionMeaning(defined && isNull ? { kind: 'not', item: defined } : defined)
  }

function isDefined(checking: Checking, meaning: NonNullable<Meaning>, { span }: Call): Condition | null {
  switch (meaning.kind) {
    case 'value':
      return { kind: 'isDefined', value: meaning.value }
    case 'record':
      return meaning.base.kind === 'object' && meaning.base.path.length === 0 && meaning.base.value.kind !== 'record'
        ? { kind: 'isDefined', value: meaning.base.value }
        : recordDefined(checking, meaning, span)
    case 'condition':
    case 'moment':
      return { kind: 'constant', value: true }
  }
}

export const ifHandler: FunctionHandler = (checking, call, scope) => {
  const args = takes(checking, call, 3)
  if (!args) return null
  const test = conditionIn(checking, args[0], scope)
  const yes = valueIn(checking, args[1], scope)
  const no = valueIn(checking, args[2], scope)
  if (!test || !yes || !no) return null
  const outcome = (type: Type, otherwise = no.value): Meaning =>
    meaningOf({ kind: 'choose', test, yes: yes.value, no: otherwise, type: dataTypeOf(type) }, type)
  const type = yes.type.kind === 'string' ? text : yes.type
  if (isNumeric(type) && isNumeric(no.type)) return outcome(type.kind === no.type.kind ? type : number)
  if (JSON.stringify(dataTypeOf(type)) === JSON.stringify(dataTypeOf(no.type))) return outcome(type)
  const alike = classOf(type) === null ? null : coerced(checking, no, type, args[2])
  if (alike) return outcome(classOf(type) === 'instant' ? timestamp : type, alike)
  return mismatch(
    checking,
    args[2].span,
    `Both outcomes of \`if\` have one type; these are ${describe(type)} and ${describe(no.type)}`,
    'Write both alike.',
  )
}

export const mapEntry: FunctionHandler = (checking, { nameSpan }) =>
  syntax(
    checking,
    nameSpan,
    '`mapEntry` stands only as the body of the lambda that `map` takes',
    'Write `map.map((K, V) => mapEntry(K, …))`.',
  )

// ---- membership

export const inSegment: FunctionHandler = (checking, call) => {
  const args = takes(checking, call, 1)
  const argument = args?.[0]
  if (!argument || argument.kind === 'error') return null
  if (argument.kind !== 'literal' || typeof argument.value !== 'string')
    return unsupported(
      checking,
      argument.span,
      '`inSegment` takes the name of a Segment as text',
      'Write inSegment("name").',
    )
  const name = argument.value
  const span = { start: argument.span.start + 1, end: argument.span.end - 1 }
  checking.refer({ name, span })
  const { segments } = checking.names
  if (segments.has(name)) {
    const condition: Condition = { kind: 'segment', name }
    checking.place(condition, span)
    return conditionMeaning(condition)
  }
  return reportUnknownSegment(checking, { name, span })
}
