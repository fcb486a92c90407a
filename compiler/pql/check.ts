import type { DataType } from '#crds'
import { columnsOf, dataTypeOf, describe, type ObjectType, type Type, typeAt, type UnionTypes } from '../schema.ts'
import { alternatives, nearest } from '../suggest.ts'
import { unreachable } from '../unreachable.ts'
import type { ChainStep, ComparisonOp, Expr, Generator, Span, Unit, When } from './ast.ts'
import { parseTime, unitMilliseconds, unitMonths } from './calendar.ts'
import { habits, handlers, tupleList } from './calls.ts'
import type { PqlFault } from './fault.ts'
import { type FunctionEntry, type FunctionName, functions, isFunction } from './functions.ts'
import { type Bound, type Condition, type Fold, greatestVariable, sizeOf, type TextTest, type Value } from './ir.ts'
import {
  type Base,
  type BoundGenerator,
  classOf,
  date,
  type Element,
  integer,
  isLiteral,
  isNumeric,
  literalMeaning,
  type Meaning,
  number,
  numberLiteral,
  type Scope,
  text,
  timestamp,
  truth,
} from './meaning.ts'
import { distanceAfter, distanceBefore, type Moment, momentOf, shifted, startOf } from './moment.ts'
import { type Parsed, parsePql } from './parser.ts'
import { parseRegex, type Regex } from './regex.ts'

/** What an expression may refer to. */
export type Names = { readonly types: UnionTypes; readonly segments: SegmentNames }

/** Names that `inSegment` may take. */
export type SegmentNames = Iterable<string> & { readonly has: (name: string) => boolean }

export type CheckedExpression = {
  /** Null when there are errors. */
  readonly condition: Condition | null
  readonly faults: readonly PqlFault[]
  /** Names in `inSegment("…")`, with their places, resolved or not. */
  readonly references: readonly { readonly name: string; readonly span: Span }[]
}

/** Reads and checks a Segment's expression: names, types, coercions, times. Fixes are verified by compiling the fixed text. */
export function checkPql(text: string, names: Names): CheckedExpression {
  const checked = checkOnce(text, names)
  let tries = Math.min(mostFixesTried, Math.ceil(longestTried / text.length))
  const faults = checked.faults.map(({ fixes = [], ...fault }) => {
    const verified = fixes.filter((fix) => (tries -= 1) >= 0 && repairs(text, fix, checked.faults, names))
    return verified.length > 0 ? { ...fault, fixes: verified } : fault
  })
  return { ...checked, faults: faults.sort((a, b) => a.span.start - b.span.start || a.span.end - b.span.end) }
}

/** Each fix costs a compilation; an expression full of faults must not take long. */
const mostFixesTried = 30
const longestTried = 200_000

/** The fixed text has fewer faults, and none that was not there before. */
function repairs(
  text: string,
  fix: { readonly span: Span; readonly text: string },
  before: readonly PqlFault[],
  names: Names,
): boolean {
  const after = checkOnce(text.slice(0, fix.span.start) + fix.text + text.slice(fix.span.end), names).faults
  const known = new Set(before.map((fault) => fault.code + fault.message))
  return after.length < before.length && after.every((fault) => known.has(fault.code + fault.message))
}

function checkOnce(text: string, names: Names): CheckedExpression {
  const parsed = parsePql(text)
  if (parsed.unbalanced) {
    const faults = parsed.faults.map((fault) =>
      fault.span.start === parsed.unbalanced?.start ? { ...fault, fixes: bracketFixes(text, parsed, names) } : fault,
    )
    return { condition: null, faults, references: [] }
  }
  const checker = new Checker(text, names)
  const condition = checker.root(parsed.expr)
  const faults = [...parsed.faults, ...checker.faults]
  const hasErrors = faults.some((fault) => fault.severity !== 'warning')
  return { condition: hasErrors ? null : condition, faults, references: checker.references }
}

/** The first place where the missing bracket makes the whole expression sound; or its removal, where it closes nothing. */
function bracketFixes(text: string, { tokens, unbalanced }: Parsed, names: Names): NonNullable<PqlFault['fixes']> {
  if (!unbalanced || tokens.length > 200) return []
  const partner = { '(': ')', '[': ']', '{': '}' }[unbalanced.text]
  const isSound = (at: number, end: number, inserted: string): boolean => {
    const changed = text.slice(0, at) + inserted + text.slice(end)
    return parsePql(changed).unbalanced === null && checkOnce(changed, names).faults.length === 0
  }
  if (!partner) {
    const { start, end } = unbalanced
    return isSound(start, end, '')
      ? [{ title: `Remove \`${unbalanced.text}\``, span: { start, end }, text: '', safety: 'review' }]
      : []
  }
  const at = tokens.find((token) => token.start > unbalanced.start && isSound(token.end, token.end, partner))?.end
  if (at === undefined) return []
  return [{ title: `Close it with \`${partner}\` here`, span: { start: at, end: at }, text: partner, safety: 'review' }]
}

const deepestLambda = 10

/** Nodes of a time, which is repeated for its bounds, and of an object, which is repeated for its fields. */
const mostTimeNodes = 500
const mostObjectNodes = 5_000

/** From any year of the calendar (1 to 9999) that far either way is still exact on every engine. */
const furthestYears = 10_000
const yearMilliseconds = 365.2425 * 86_400_000

export class Checker {
  readonly faults: PqlFault[] = []
  tooDeep = false
  readonly references: { name: string; span: Span }[] = []
  readonly source: string
  readonly names: Names

  constructor(source: string, names: Names) {
    this.source = source
    this.names = names
  }

  root(expr: Expr): Condition | null {
    const scope: Scope = { variables: new Map(), elements: [], depth: 0 }
    if (expr.kind === 'lambda' && expr.parameters.length === 1) {
      const parameter = expr.parameters[0]!
      return this.condition(expr.body, { ...scope, variables: new Map([[parameter.name, this.profile()]]) })
    }
    return this.condition(expr, scope)
  }

  profile(): Meaning {
    return { kind: 'record', base: { kind: 'profile', prefix: '' }, type: this.names.types.profile }
  }

  report(fault: PqlFault): null {
    this.faults.push(fault)
    return null
  }

  mismatch(span: Span, message: string, help: string, more: Partial<PqlFault> = {}): null {
    return this.report({ code: 'pql-type-mismatch', message, span, help, ...more })
  }

  // ---- conditions

  condition(expr: Expr, scope: Scope): Condition | null {
    switch (expr.kind) {
      case 'group':
        return this.condition(expr.inner, scope)
      case 'binary':
        if (expr.op === 'and' || expr.op === 'or') return this.junction(expr, expr.op, scope)
        return this.truthOf(this.meaning(expr, scope), expr)
      case 'not': {
        const item = this.condition(expr.operand, scope)
        return item && { kind: 'not', item }
      }
      default:
        return this.truthOf(this.meaning(expr, scope), expr)
    }
  }

  /** A chain of one operator is read in a loop: thousands of operands must not recurse. */
  junction(expr: Expr, op: 'and' | 'or', scope: Scope): Condition | null {
    const operands: Expr[] = []
    let current: Expr = expr
    while (current.kind === 'binary' && current.op === op) {
      operands.push(current.right)
      current = current.left
    }
    operands.push(current)
    const items = operands.reverse().map((operand) => this.condition(operand, scope))
    if (items.some((item) => item === null)) return null
    const flat = items.flatMap((item) => (item === null ? [] : item.kind === op ? item.items : [item]))
    return { kind: op, items: flat }
  }

  truthOf(meaning: Meaning, expr: Expr): Condition | null {
    if (meaning === null) return null
    switch (meaning.kind) {
      case 'condition':
        return meaning.condition
      case 'record':
        return this.recordDefined(meaning, expr.span)
      case 'moment':
        return this.mismatch(
          expr.span,
          'A time alone is not a condition',
          'Compare something with it: `… occurs before now`.',
        )
      case 'value': {
        const { value, type } = meaning
        if (value.kind === 'literal') {
          if (typeof value.value === 'boolean') return { kind: 'constant', value: value.value }
          return this.mismatch(
            expr.span,
            `${typeof value.value === 'string' ? 'Text' : 'A number'} alone is not a condition`,
            'Compare it with something.',
          )
        }
        if (type.kind === 'boolean') return { kind: 'isTrue', value }
        if (type.kind === 'array')
          return {
            kind: 'any',
            list: value,
            variable: greatestVariable(value) + 1,
            where: { kind: 'constant', value: true },
          }
        return { kind: 'isDefined', value }
      }
    }
  }

  recordDefined(record: { readonly base: Base; readonly type: ObjectType }, span: Span): Condition | null {
    if (record.base.kind === 'object' && !this.small(record.base.value, mostObjectNodes, span)) return null
    const items = columnsOf(record.type).map((column): Condition => {
      const field = this.leaf(record.base, column.path.split('.'), column.type)
      return { kind: 'isDefined', value: field }
    })
    if (items.length === 0) return { kind: 'constant', value: false }
    return items.length === 1 ? items[0]! : { kind: 'or', items }
  }

  leaf(base: Base, path: readonly string[], type: DataType): Value {
    return base.kind === 'profile'
      ? { kind: 'column', path: base.prefix + path.join('.'), type }
      : { kind: 'member', object: base.value, path: [...base.path, ...path], type }
  }

  // ---- values

  value(expr: Expr, scope: Scope): { value: Value; type: Type } | null {
    return this.valueOf(this.meaning(expr, scope), expr)
  }

  /** What was meant, as a value; a condition becomes a boolean. */
  valueOf(meaning: Meaning, expr: Expr): { value: Value; type: Type } | null {
    if (meaning === null) return null
    switch (meaning.kind) {
      case 'value':
        return meaning
      case 'condition':
        return truth(meaning.condition)
      case 'moment':
        if (meaning.moment.kind === 'instant') return { value: meaning.moment.at, type: timestamp }
        return { value: meaning.moment.start, type: timestamp }
      case 'record': {
        if (meaning.base.kind === 'object' && meaning.base.path.length === 0)
          return { value: meaning.base.value, type: meaning.type }
        return this.mismatch(
          expr.span,
          'An object cannot be used as a value',
          `Name one of its fields: ${alternatives([...meaning.type.fields.keys()].slice(0, 5))}.`,
        )
      }
    }
  }

  meaningOf(value: Value, type: Type): Meaning {
    return type.kind === 'object'
      ? { kind: 'record', base: { kind: 'object', value, path: [] }, type }
      : { kind: 'value', value, type }
  }

  meaning(expr: Expr, scope: Scope): Meaning {
    switch (expr.kind) {
      case 'error':
        return null
      case 'group':
        return this.meaning(expr.inner, scope)
      case 'literal':
        return literalMeaning(expr.value)
      case 'name':
      case 'field':
        return this.path(expr, scope)
      case 'outer':
        return this.outer(expr, scope)
      case 'parameter':
        if (expr.position === 1) return this.profile()
        return this.report({
          code: 'pql-unsupported',
          message: `A Segment has no parameter $${expr.position}`,
          span: expr.span,
          help: 'The profile is $1, or simply its fields by name.',
        })
      case 'filter':
        return this.filter(expr, scope)
      case 'call':
        return this.call(expr, scope)
      case 'not': {
        const condition = this.condition(expr, scope)
        return condition && { kind: 'condition', condition }
      }
      case 'negate': {
        const operand = this.numeric(expr.operand, scope)
        return (
          operand && {
            kind: 'value',
            value: {
              kind: 'arithmetic',
              op: '-',
              left: { kind: 'literal', value: 0, type: 'integer' },
              right: operand,
              type: 'number',
            },
            type: number,
          }
        )
      }
      case 'array':
        return this.arrayLiteral(expr, scope)
      case 'object':
        return this.report({
          code: 'pql-unsupported',
          message: 'Object literals are not supported in a Segment',
          span: expr.span,
          help: 'They belong to computed attributes; compare fields one by one.',
        })
      case 'occurs':
        return this.occurs(expr.subject, expr.when, scope)
      case 'quantifier':
        return this.quantifier(expr.quantifier, expr.generators, scope)
      case 'aggregate':
        return this.aggregate(expr, scope)
      case 'let':
        return this.let(expr, scope)
      case 'lambda':
        return this.report({
          code: 'pql-syntax',
          message: 'A lambda stands only around the whole expression or as the argument of `map`',
          span: expr.span,
          help: 'Write the body alone.',
        })
      case 'chain':
        return this.chain(expr, scope)
      case 'time':
        return { kind: 'moment', moment: momentOf(expr.term) }
      case 'binary':
        return this.binary(expr, scope)
      default:
        return unreachable(expr)
    }
  }

  // ---- names

  path(expr: Expr, scope: Scope): Meaning {
    const steps: { name: string; span: Span }[] = []
    let base: Expr = expr
    while (base.kind === 'field') {
      steps.unshift({ name: base.name, span: base.nameSpan })
      base = base.object
    }
    let meaning: Meaning
    if (base.kind === 'name')
      meaning = this.name(
        base,
        steps.map((step) => step.name),
        scope,
      )
    else meaning = this.meaning(base, scope)
    for (const [index, step] of steps.entries()) {
      if (meaning === null) return null
      meaning = this.field(
        meaning,
        step,
        steps.slice(index + 1).map((next) => next.name),
        expr,
        scope,
      )
    }
    return meaning
  }

  name(expr: { readonly name: string; readonly span: Span }, rest: readonly string[], scope: Scope): Meaning {
    const variable = scope.variables.get(expr.name)
    if (variable !== undefined) return variable
    const element = scope.elements.at(-1)
    const root = element ? element.meaning : this.profile()
    if (root === null) return null
    if (root.kind === 'record') {
      const found = root.type.fields.get(expr.name)
      if (found) return this.fieldOf(root, expr.name, found)
    }
    if (element && element.singular === expr.name) return element.meaning
    if (expr.name === 'xEvent') {
      const { event } = this.names.types
      if (!event)
        return this.report({
          code: 'unknown-attribute',
          message: 'The ProfileStore has no event schema, so there is no `xEvent`',
          span: expr.span,
          help: 'Add `schema.event` to the ProfileStore.',
        })
      if (element)
        return this.report({
          code: 'unknown-attribute',
          message: '`xEvent` is not a field of the item that is filtered here',
          span: expr.span,
          help: 'Write `^.xEvent` to reach the profile.',
          fixes: [
            {
              title: 'Replace with `^.xEvent`',
              span: expr.span,
              text: `${'^'.repeat(scope.elements.length)}.xEvent`,
              safety: 'safe',
            },
          ],
        })
      return this.events(event)
    }
    return this.unknownName(expr, rest, scope, root)
  }

  events(event: ObjectType): Meaning {
    const type: Type = { kind: 'array', items: event }
    return { kind: 'value', value: { kind: 'events', type: dataTypeOf(type) }, type }
  }

  unknownName(
    expr: { readonly name: string; readonly span: Span },
    rest: readonly string[],
    scope: Scope,
    root: NonNullable<Meaning>,
  ): null {
    const { profile } = this.names.types
    const fields = root.kind === 'record' ? root.type : null
    const where = scope.elements.length > 0 ? 'the item that is filtered here' : 'the profile'
    if (expr.name === 'profile' && rest.length > 0 && scope.elements.length === 0) {
      return this.report({
        code: 'unknown-attribute',
        message: '`profile.` is not written in PQL',
        span: expr.span,
        help: 'Start with the field itself.',
        fixes: [
          {
            title: 'Remove `profile.`',
            span: { start: expr.span.start, end: expr.span.end + 1 },
            text: '',
            safety: 'safe',
          },
        ],
      })
    }
    if (expr.name === 'segmentMembership') {
      return this.report({
        code: 'pql-unsupported',
        message: '`segmentMembership` is not read directly',
        span: expr.span,
        help: 'Write `inSegment("name")`.',
      })
    }
    if (scope.elements.length > 0 && profile.fields.has(expr.name)) {
      const up = `${'^'.repeat(scope.elements.length)}.${expr.name}`
      return this.report({
        code: 'unknown-attribute',
        message: `\`${expr.name}\` is a field of the profile, not of ${where}`,
        span: expr.span,
        help: `Write \`${up}\` to reach the profile.`,
        fixes: [{ title: `Replace with \`${up}\``, span: expr.span, text: up, safety: 'safe' }],
      })
    }
    const event = this.names.types.event
    if (
      scope.elements.length === 0 &&
      event &&
      typeAt(event, [expr.name, ...rest].join('.')) &&
      typeAt(profile, [expr.name, ...rest].join('.')) === null
    ) {
      return this.report({
        code: 'unknown-attribute',
        message: `\`${expr.name}\` is a field of events, not of the profile`,
        span: expr.span,
        help: `Ask for an event: \`exists E from xEvent where E.${[expr.name, ...rest].join('.')} …\`.`,
      })
    }
    if (rest.length === 0 && isFunction(expr.name) && functions[expr.name].form === 'function')
      return this.uncalled(expr)
    const candidates = fields ? [...fields.fields.keys()] : []
    const near = nearest(expr.name, [...candidates, ...scope.variables.keys()])
    // A candidate under which the rest of the path exists is what was meant.
    const fitting = fields
      ? near.filter((name) => scope.variables.has(name) || typeAt(fields, [name, ...rest].join('.')) !== null)
      : near
    const elsewhere =
      fields && near.length === 0
        ? columnsOf(fields)
            .map((column) => column.path)
            .filter((path) => path.endsWith(`.${[expr.name, ...rest].join('.')}`))
        : []
    const suggestions =
      fitting.length > 0
        ? fitting
        : near.length > 0
          ? near
          : elsewhere.map((path) => path.slice(0, path.length - rest.join('.').length - (rest.length > 0 ? 1 : 0)))
    if (suggestions.length === 0 && rest.length === 0) return this.unquoted(expr, where, candidates, scope)
    return this.unknown(expr, where, suggestions, candidates)
  }

  /** A name that resembles nothing may be a text without its quotes. */
  unquoted(
    at: { readonly name: string; readonly span: Span },
    where: string,
    candidates: readonly string[],
    scope: Scope,
  ): null {
    if (['this', 'last', 'next'].includes(at.name))
      return this.report({
        code: 'unknown-attribute',
        message: `\`${at.name}\` is not a field of ${where}`,
        span: at.span,
        help: `For a time name its unit, as in \`${at.name} month\`.`,
      })
    const quoted = JSON.stringify(at.name)
    const singular = scope.elements.at(-1)?.singular
    const item = candidates.length === 0 && singular ? ` The item itself is called \`${singular}\`.` : ''
    const fields =
      candidates.length > 0
        ? ` Its fields are ${alternatives(candidates.slice(0, 8))}${candidates.length > 8 ? ` and ${candidates.length - 8} more` : ''}.`
        : ''
    return this.report({
      code: 'unknown-attribute',
      message: `\`${at.name}\` is not a field of ${where}`,
      span: at.span,
      help: `If it is text, write ${quoted}.${item}${fields}`,
      fixes: [{ title: `Write ${quoted}`, span: at.span, text: quoted, safety: 'review' }],
    })
  }

  unknown(
    at: { readonly name: string; readonly span: Span },
    where: string,
    suggestions: readonly string[],
    candidates: readonly string[],
  ): null {
    return this.report({
      code: 'unknown-attribute',
      message: `\`${at.name}\` is not a field of ${where}`,
      span: at.span,
      help:
        suggestions.length > 0
          ? `Did you mean ${alternatives(suggestions)}?`
          : candidates.length > 0
            ? `Its fields are ${alternatives(candidates.slice(0, 8))}${candidates.length > 8 ? ` and ${candidates.length - 8} more` : ''}.`
            : 'It has no fields.',
      fixes: suggestions.map((name) => ({
        title: `Replace with \`${name}\``,
        span: at.span,
        text: name,
        safety: suggestions.length === 1 ? ('safe' as const) : ('review' as const),
      })),
    })
  }

  /** `tags.count` and `currentMonth`: functions are called. */
  uncalled(at: { readonly name: string; readonly span: Span }): null {
    return this.report({
      code: 'pql-unknown-function',
      message: `\`${at.name}\` is a function; its parentheses are missing`,
      span: at.span,
      help: `Write \`${functions[at.name as FunctionName].signature}\`.`, // its callers asked whether there is such a function
      fixes: [{ title: `Write \`${at.name}()\``, span: at.span, text: `${at.name}()`, safety: 'safe' }],
    })
  }

  field(
    object: NonNullable<Meaning>,
    step: { readonly name: string; readonly span: Span },
    rest: readonly string[],
    whole: Expr,
    scope: Scope,
  ): Meaning {
    if (object.kind === 'record') {
      const type = object.type.fields.get(step.name)
      if (type) return this.fieldOf(object, step.name, type)
      if (
        step.name === 'xEvent' &&
        object.base.kind === 'profile' &&
        object.base.prefix === '' &&
        this.names.types.event
      )
        return this.events(this.names.types.event)
      const where =
        object.base.kind === 'profile' && object.base.prefix !== ''
          ? `\`${object.base.prefix.slice(0, -1)}\``
          : object.base.kind === 'profile'
            ? 'the profile'
            : 'this object'
      const candidates = [...object.type.fields.keys()]
      const near = nearest(step.name, candidates)
      const fitting = near.filter(
        (name) => rest.length === 0 || typeAt(object.type, [name, ...rest].join('.')) !== null,
      )
      const prefixed = candidates.filter(
        (name) => name.toLowerCase().startsWith(step.name.toLowerCase()) && step.name.length >= 3,
      )
      return this.unknown(
        step,
        where,
        fitting.length > 0 ? fitting : near.length > 0 ? near : prefixed.slice(0, 3),
        candidates,
      )
    }
    if (object.kind === 'value' && object.type.kind !== 'map') {
      const items = object.type.kind === 'array' ? object.type.items : null
      const isField = items?.kind === 'object' && items.fields.has(step.name)
      if (!isField && (step.name === 'length' || step.name === 'size'))
        return this.mismatch(
          step.span,
          `\`${step.name}\` is not a field`,
          'For the number of items write `.count()`.',
          {
            fixes: [{ title: 'Replace with `count()`', span: step.span, text: 'count()', safety: 'safe' }],
          },
        )
      if (!isField && isFunction(step.name) && functions[step.name].form === 'method') return this.uncalled(step)
    }
    if (object.kind === 'value' && object.type.kind === 'array') {
      const items = object.type.items
      if (items.kind === 'object') return this.mapField(object.value, items, step, rest, scope)
      return this.mismatch(
        step.span,
        `\`${step.name}\` cannot be read from ${describe(object.type)}`,
        'Its items are plain values; use `includes`, `count()` or a filter.',
      )
    }
    if (object.kind === 'value' && object.type.kind === 'map') {
      return this.meaningOf(
        {
          kind: 'get',
          map: object.value,
          key: { kind: 'literal', value: step.name, type: 'string' },
          type: dataTypeOf(object.type.values),
        },
        object.type.values,
      )
    }
    const type =
      object.kind === 'value' ? describe(object.type) : object.kind === 'condition' ? 'a condition' : 'a time'
    return this.report({
      code: 'unknown-attribute',
      message: `\`${step.name}\` cannot be read from ${type}`,
      span: step.span,
      help: 'Only objects have fields.',
      related: [{ span: { start: whole.span.start, end: step.span.start }, message: `this is ${type}` }],
    })
  }

  fieldOf(record: { readonly base: Base; readonly type: ObjectType }, name: string, type: Type): Meaning {
    const { base } = record
    if (type.kind === 'object') {
      return {
        kind: 'record',
        type,
        base:
          base.kind === 'profile'
            ? { kind: 'profile', prefix: `${base.prefix}${name}.` }
            : { ...base, path: [...base.path, name] },
      }
    }
    return { kind: 'value', value: this.leaf(base, [name], dataTypeOf(type)), type }
  }

  /** `array.field`: the field of each item, items without it left out, arrays in arrays joined. */
  mapField(
    list: Value,
    items: ObjectType,
    step: { readonly name: string; readonly span: Span },
    rest: readonly string[],
    scope: Scope,
  ): Meaning {
    const type = items.fields.get(step.name)
    if (!type) {
      const candidates = [...items.fields.keys()]
      const near = nearest(step.name, candidates)
      const fitting = near.filter((name) => rest.length === 0 || typeAt(items, [name, ...rest].join('.')) !== null)
      return this.unknown(step, 'the items of this array', fitting.length > 0 ? fitting : near, candidates)
    }
    const variable = Math.max(scope.depth, greatestVariable(list)) + 1
    const object: Value = { kind: 'variable', id: variable, type: dataTypeOf(items) }
    const to: Value = { kind: 'member', object, path: [step.name], type: dataTypeOf(type) }
    if (type.kind !== 'object')
      return this.flattened({ kind: 'map', list, variable, to, type: { items: dataTypeOf(type) } }, type)
    // An object is absent when all its fields are, whatever an engine holds in its place.
    const where = this.recordDefined({ base: { kind: 'object', value: object, path: [step.name] }, type }, step.span)
    if (!where) return null
    const present: Value = { kind: 'filter', list, variable, where, type: { items: dataTypeOf(items) } }
    return this.flattened({ kind: 'map', list: present, variable, to, type: { items: dataTypeOf(type) } }, type)
  }

  flattened(list: Value, items: Type): Meaning {
    if (items.kind === 'array')
      return { kind: 'value', value: { kind: 'flatten', list, type: dataTypeOf(items) }, type: items }
    return { kind: 'value', value: list, type: { kind: 'array', items } }
  }

  outer(expr: { readonly levels: number; readonly span: Span }, scope: Scope): Meaning {
    if (expr.levels > scope.elements.length) {
      return this.report({
        code: 'pql-syntax',
        message: `\`${'^'.repeat(expr.levels)}\` leads out of the profile`,
        span: expr.span,
        help:
          scope.elements.length === 0
            ? 'It has a meaning only inside a filter `[…]`.'
            : `Write at most ${scope.elements.length}.`,
      })
    }
    const index = scope.elements.length - expr.levels
    return index === 0 ? this.profile() : scope.elements[index - 1]!.meaning
  }

  // ---- lists

  list(meaning: Meaning, span: Span, what: string): { value: Value; items: Type } | null {
    if (meaning === null) return null
    if (meaning.kind === 'value' && meaning.type.kind === 'array')
      return { value: meaning.value, items: meaning.type.items }
    const type =
      meaning.kind === 'value'
        ? describe(meaning.type)
        : meaning.kind === 'record'
          ? 'an object'
          : meaning.kind === 'condition'
            ? 'a condition'
            : 'a time'
    return this.mismatch(
      span,
      `${what} needs an array, this is ${type}`,
      'Arrays are `xEvent` and the fields of type array.',
    )
  }

  /** The number of a further variable. Engines take twice as long for each lambda inside a lambda. */
  deeper(scope: Scope, span: Span): number {
    if (scope.depth === deepestLambda && !this.tooDeep) {
      this.tooDeep = true
      this.report({
        code: 'pql-unsupported',
        message: `Filters, quantifiers and \`let\` stand more than ${deepestLambda} deep inside each other`,
        span,
        help: 'Split the expression into several Segments and combine them with inSegment.',
      })
    }
    return scope.depth + 1
  }

  /** A scope in which names are read from one item of a list, and the variable that is the item. */
  inside(items: Type, arrayExpr: Expr, scope: Scope): { scope: Scope; variable: number; item: Meaning } {
    const variable = this.deeper(scope, arrayExpr.span)
    const item = this.meaningOf({ kind: 'variable', id: variable, type: dataTypeOf(items) }, items)
    const element: Element = { meaning: item, type: items, singular: singularOf(arrayExpr) }
    return { scope: { ...scope, elements: [...scope.elements, element], depth: variable }, variable, item }
  }

  filter(expr: Extract<Expr, { kind: 'filter' }>, scope: Scope): Meaning {
    const array = this.meaning(expr.array, scope)
    if (
      array?.kind === 'value' &&
      array.type.kind === 'map' &&
      expr.condition.kind === 'literal' &&
      typeof expr.condition.value === 'string'
    ) {
      return this.field(array, { name: expr.condition.value, span: expr.condition.span }, [], expr, scope)
    }
    const list = this.list(array, expr.array.span, 'A filter `[…]`')
    if (!list) return null
    if (expr.condition.kind === 'literal' && typeof expr.condition.value === 'number') {
      return this.report({
        code: 'pql-unsupported',
        message: 'Items cannot be read by their number',
        span: expr.condition.span,
        help: 'Write a condition, or `.head()` for the first item, `.topN(value, n)` for the best.',
      })
    }
    return this.filtered(list, expr.array, expr.condition, scope)
  }

  filtered(list: { value: Value; items: Type }, arrayExpr: Expr, conditionExpr: Expr, scope: Scope): Meaning {
    const inner = this.inside(list.items, arrayExpr, scope)
    const where = this.condition(conditionExpr, inner.scope)
    if (!where) return null
    return {
      kind: 'value',
      value: {
        kind: 'filter',
        list: list.value,
        variable: inner.variable,
        where,
        type: { items: dataTypeOf(list.items) },
      },
      type: { kind: 'array', items: list.items },
    }
  }

  arrayLiteral(expr: Extract<Expr, { kind: 'array' }>, scope: Scope): Meaning {
    const items = expr.items.map((item) => ({ expr: item, checked: this.value(item, scope) }))
    if (items.some((item) => item.checked === null)) return null
    const first = items[0]?.checked
    if (!first)
      return {
        kind: 'value',
        value: { kind: 'list', items: [], type: { items: 'string' } },
        type: { kind: 'array', items: text },
      }
    let type: Type =
      items.some((item) => item.checked!.type.kind === 'number') && isNumeric(first.type)
        ? number
        : first.type.kind === 'string'
          ? text
          : first.type
    const values: Value[] = []
    for (const item of items) {
      const value = this.coerced(item.checked!, type, item.expr)
      if (!value) {
        return this.mismatch(
          item.expr.span,
          `The items of an array have one type; this is ${describe(item.checked!.type)}, the first is ${describe(type)}`,
          'Write all items alike.',
        )
      }
      values.push(value)
    }
    if (isNumeric(type)) type = values.every((value) => value.type === 'integer') ? integer : number
    // A text read as a time is a timestamp even among dates.
    if (classOf(type) === 'instant') type = values.every((value) => value.type === 'date') ? date : timestamp
    return {
      kind: 'value',
      value: { kind: 'list', items: values, type: { items: dataTypeOf(type) } },
      type: { kind: 'array', items: type },
    }
  }

  // ---- operators

  binary(expr: Extract<Expr, { kind: 'binary' }>, scope: Scope): Meaning {
    const { op } = expr
    switch (op) {
      case 'and':
      case 'or': {
        const condition = this.condition(expr, scope)
        return condition && { kind: 'condition', condition }
      }
      case '+':
      case '-':
      case '*':
      case '/':
      case '%': {
        const left = this.numeric(expr.left, scope)
        // Two texts added are one fault.
        const right = left ? this.numeric(expr.right, scope) : (this.value(expr.right, scope)?.value ?? null)
        return (
          left &&
          right && { kind: 'value', value: { kind: 'arithmetic', op, left, right, type: 'number' }, type: number }
        )
      }
      case 'in':
      case 'notIn':
        return this.membership(expr.left, expr.right, op === 'notIn', scope)
      case 'like':
        return this.textTest('like', false, expr.left, expr.right, null, scope)
      case 'matches':
        return this.matches(expr.left, expr.right, scope)
      default:
        return this.comparison(expr, op, scope)
    }
  }

  numeric(expr: Expr, scope: Scope): Value | null {
    const checked = this.value(expr, scope)
    if (!checked) return null
    const value = isNumeric(checked.type) ? checked.value : this.coerced(checked, number, expr)
    if (value) return value
    return this.mismatch(
      expr.span,
      `Arithmetic needs numbers, this is ${describe(checked.type)}`,
      checked.type.kind === 'array'
        ? 'Aggregate it first: `.count()`, `.sum(…)`.'
        : checked.type.kind === 'string'
          ? 'Texts cannot be joined in PQL; compare them one by one.'
          : 'Use a field of type integer or number.',
    )
  }

  comparison(expr: Extract<Expr, { kind: 'binary' }>, op: ComparisonOp, scope: Scope): Meaning {
    const ordered = op !== '=' && op !== '!='
    if (!ordered && expr.right.kind === 'name' && expr.right.name === 'null' && !scope.variables.has('null')) {
      const fixed = `${this.source.slice(expr.left.span.start, expr.left.span.end)}.${op === '=' ? 'isNull' : 'isNotNull'}()`
      return this.report({
        code: 'pql-syntax',
        message: 'PQL has no `null`',
        span: expr.right.span,
        help: 'Ask for absence with `.isNull()`, for presence with `.isNotNull()`.',
        fixes: [{ title: `Replace with \`${fixed}\``, span: expr.span, text: fixed, safety: 'safe' }],
      })
    }
    const left = this.value(expr.left, scope)
    const right = this.value(expr.right, scope)
    if (!left || !right) return null
    const sides = this.alike(left, right, expr)
    if (!sides) return null
    if (!ordered) this.enumWarnings(left, right, expr)
    if (ordered && sides.of !== 'number') {
      if (sides.of === 'instant') {
        const word = op.startsWith('<') ? 'before' : 'after'
        return this.mismatch(
          expr.opSpan,
          `\`${op}\` compares numbers; for times there is \`occurs\``,
          `Write \`… occurs ${word} …\`.`,
          {
            fixes: [
              { title: `Replace with \`occurs ${word}\``, span: expr.opSpan, text: `occurs ${word}`, safety: 'review' },
            ],
          },
        )
      }
      return this.mismatch(
        expr.opSpan,
        `\`${op}\` compares numbers, not ${sides.of === 'text' ? 'text' : 'true or false'}`,
        'Use `=`, `!=`, or a function such as `startsWith`.',
      )
    }
    return { kind: 'condition', condition: { kind: 'compare', op, of: sides.of, left: sides.left, right: sides.right } }
  }

  /** Both sides as one class of values; literals are coerced to the other side's type. */
  alike(
    left: { value: Value; type: Type },
    right: { value: Value; type: Type },
    expr: { readonly left: Expr; readonly right: Expr; readonly span: Span },
  ): { of: 'text' | 'number' | 'boolean' | 'instant'; left: Value; right: Value } | null {
    const leftClass = classOf(left.type)
    const rightClass = classOf(right.type)
    if (leftClass === null || rightClass === null) {
      const [side, at] = leftClass === null ? [left, expr.left] : [right, expr.right]
      const help =
        side.type.kind === 'array'
          ? 'Use `includes`, `count()`, or `exists … from …`.'
          : side.type.kind === 'map'
            ? 'Read one of its values with `.get("key")`.'
            : 'Compare one of its fields.'
      return this.mismatch(at.span, `${capital(describe(side.type))} cannot be compared`, help)
    }
    if (leftClass === rightClass) return { of: leftClass, left: left.value, right: right.value }
    const rightCoerced = isLiteral(right.value) ? this.coerced(right, left.type, expr.right) : null
    if (rightCoerced) return { of: leftClass, left: left.value, right: rightCoerced }
    const leftCoerced = isLiteral(left.value) ? this.coerced(left, right.type, expr.left) : null
    if (leftCoerced) return { of: rightClass, left: leftCoerced, right: right.value }
    const literalSide = isLiteral(right.value) ? expr.right : isLiteral(left.value) ? expr.left : null
    const field =
      literalSide === expr.right ? { expr: expr.left, type: left.type } : { expr: expr.right, type: right.type }
    const isTime = literalSide !== null && classOf(field.type) === 'instant'
    const written = literalSide === null ? '' : this.source.slice(literalSide.span.start, literalSide.span.end)
    const help = literalSide === null ? 'Compare fields of the same type.' : `Write ${describe(field.type)}.`
    return this.mismatch(
      literalSide?.span ?? expr.span,
      isTime
        ? `${written.length <= 40 ? `\`${written}\`` : 'This'} is not ${describe(field.type)}`
        : `${capital(describe(left.type))} is compared with ${describe(right.type)}`,
      isTime ? 'Write a day of the calendar as "2026-01-31" or date(2026, 1, 31).' : help,
      {
        related: literalSide
          ? [{ span: field.expr.span, message: `this is ${describe(field.type)}` }]
          : [
              { span: expr.left.span, message: describe(left.type) },
              { span: expr.right.span, message: describe(right.type) },
            ],
      },
    )
  }

  enumWarnings(
    left: { value: Value; type: Type },
    right: { value: Value; type: Type },
    expr: { readonly left: Expr; readonly right: Expr },
  ): void {
    this.enumWarning(left, right, expr.right)
    this.enumWarning(right, left, expr.left)
  }

  enumWarning(field: { type: Type }, other: { value: Value }, at: Expr): void {
    if (
      field.type.kind !== 'string' ||
      field.type.values === null ||
      other.value.kind !== 'literal' ||
      typeof other.value.value !== 'string'
    )
      return
    if (field.type.values.includes(other.value.value)) return
    const near = nearest(other.value.value, field.type.values)
    this.report({
      code: 'pql-type-mismatch',
      severity: 'warning',
      message: `"${other.value.value}" is not one of the values of this field`,
      span: at.span,
      help:
        near.length > 0
          ? `Did you mean ${near.map((name) => `"${name}"`).join(' or ')}?`
          : `Its values are ${field.type.values
              .slice(0, 8)
              .map((name) => `"${name}"`)
              .join(', ')}.`,
      fixes: near.map((name) => ({
        title: `Replace with "${name}"`,
        span: at.span,
        text: JSON.stringify(name),
        safety: near.length === 1 ? ('safe' as const) : ('review' as const),
      })),
    })
  }

  /** A literal as a value of the type, or the value itself where it has the class already; null where it cannot be. */
  coerced(checked: { value: Value; type: Type }, type: Type, expr: Expr): Value | null {
    const { value } = checked
    if (!isLiteral(value)) return classOf(checked.type) === classOf(type) && classOf(type) !== null ? value : null
    const plain = value.value
    switch (type.kind) {
      case 'string':
        if (typeof plain === 'string') return value
        // A number is taken as it is written: 010 stays 010.
        return {
          kind: 'literal',
          value: expr.kind === 'literal' ? this.source.slice(expr.span.start, expr.span.end) : String(plain),
          type: 'string',
        }
      case 'integer':
      case 'number': {
        if (typeof plain === 'number') return value
        if (typeof plain !== 'string' || !/^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$/.test(plain)) return null
        return numberLiteral(Number(plain))
      }
      case 'boolean':
        if (typeof plain === 'boolean') return value
        return plain === 'true' || plain === 'false'
          ? { kind: 'literal', value: plain === 'true', type: 'boolean' }
          : null
      case 'date':
      case 'timestamp': {
        if (typeof plain !== 'string') return null
        const milliseconds = parseTime(plain)
        if (milliseconds === null) return null
        return { kind: 'literal', value: milliseconds, type: 'timestamp' }
      }
      default:
        return null
    }
  }

  membership(itemExpr: Expr, listExpr: Expr, negated: boolean, scope: Scope): Meaning {
    const item = this.value(itemExpr, scope)
    const listMeaning = this.meaning(listExpr, scope)
    if (!item || !listMeaning) return null
    if (listMeaning.kind === 'value' && listMeaning.type.kind !== 'array') {
      return this.mismatch(
        listExpr.span,
        `\`${negated ? 'notIn' : 'in'}\` needs an array on its right, this is ${describe(listMeaning.type)}`,
        'Write the values in brackets: ["DE", "AT"].',
      )
    }
    const list = this.list(listMeaning, listExpr.span, negated ? '`notIn`' : '`in`')
    return list && this.includes(item, itemExpr, list, listExpr, negated)
  }

  includes(
    item: { value: Value; type: Type },
    itemExpr: Expr,
    list: { value: Value; items: Type },
    listExpr: Expr,
    negated: boolean,
  ): Meaning {
    const itemClass = classOf(item.type)
    if (itemClass === null)
      return this.mismatch(
        itemExpr.span,
        `${capital(describe(item.type))} cannot be looked up in an array`,
        'Use a scalar field.',
      )
    if (list.value.kind === 'list' && listExpr.kind === 'array') {
      const items: Value[] = []
      for (const [index, value] of list.value.items.entries()) {
        const at = listExpr.items[index]!
        const checked = this.alike(item, { value, type: list.items }, { left: itemExpr, right: at, span: at.span })
        if (!checked) return null
        this.enumWarning(item, { value: checked.right }, at)
        items.push(checked.right)
      }
      const type =
        item.type.kind === 'integer' && items.some((value) => value.type !== 'integer')
          ? 'number'
          : items[0]
            ? items[0].type
            : dataTypeOf(item.type)
      return {
        kind: 'condition',
        condition: {
          kind: 'includes',
          list: { kind: 'list', items, type: { items: type } },
          item: item.value,
          negated,
        },
      }
    }
    const listClass = classOf(list.items)
    if (listClass === itemClass)
      return { kind: 'condition', condition: { kind: 'includes', list: list.value, item: item.value, negated } }
    const coerced = isLiteral(item.value) ? this.coerced(item, list.items, itemExpr) : null
    if (coerced && listClass !== null)
      return { kind: 'condition', condition: { kind: 'includes', list: list.value, item: coerced, negated } }
    return this.mismatch(
      itemExpr.span,
      `${capital(describe(item.type))} is looked up in an array of ${list.items.kind === 'object' ? 'objects' : describe(list.items)}`,
      list.items.kind === 'object' ? 'Ask with `exists … from …`.' : 'Look up a value of the same type.',
    )
  }

  // ---- text

  text(expr: Expr, scope: Scope, what: string): Value | null {
    const checked = this.value(expr, scope)
    if (!checked) return null
    const value = this.coerced(checked, text, expr)
    if (value) return value
    return this.mismatch(
      expr.span,
      `${what} needs text, this is ${describe(checked.type)}`,
      checked.type.kind === 'array'
        ? 'Ask with `exists … from …`, or `includes` for an item.'
        : 'Use a field of type string.',
    )
  }

  textTest(
    test: TextTest,
    negated: boolean,
    leftExpr: Expr,
    rightExpr: Expr,
    caseExpr: Expr | null,
    scope: Scope,
  ): Meaning {
    const name = `\`${test}\``
    const left = this.text(leftExpr, scope, name)
    const right = this.text(rightExpr, scope, name)
    let ignoreCase = false
    if (caseExpr) {
      const flag = this.value(caseExpr, scope)
      if (flag === null) return null
      if (flag.value.kind !== 'literal' || typeof flag.value.value !== 'boolean')
        return this.mismatch(caseExpr.span, 'Whether case counts is `true` or `false`', 'Write `false` to ignore case.')
      ignoreCase = !flag.value.value
    }
    return left && right && { kind: 'condition', condition: { kind: 'text', test, negated, ignoreCase, left, right } }
  }

  regex(expr: Expr): Regex | null {
    if (expr.kind !== 'literal' || typeof expr.value !== 'string') {
      return this.report({
        code: 'pql-unsupported',
        message: 'A regular expression is a literal text',
        span: expr.span,
        help: 'Write it in double quotes.',
      })
    }
    const regex = parseRegex(expr.value)
    if ('node' in regex) return regex
    return this.report({
      code: regex.unsupported ? 'pql-unsupported' : 'pql-syntax',
      message: regex.message,
      span: insideString(expr.span, expr.value, regex),
      help: regex.help,
    })
  }

  matches(leftExpr: Expr, regexExpr: Expr, scope: Scope): Meaning {
    const value = this.text(leftExpr, scope, '`matches`')
    const regex = this.regex(regexExpr)
    return value && regex && { kind: 'condition', condition: { kind: 'matches', value, regex } }
  }

  // ---- time

  /** The subject of `occurs`: a date or timestamp; a date counts from its first instant. */
  instant(expr: Expr, scope: Scope): Value | null {
    const checked = this.value(expr, scope)
    if (!checked) return null
    const value = asInstant(checked, this.coerced(checked, timestamp, expr))
    if (value) return value
    const help =
      checked.type.kind === 'array'
        ? 'Ask with `exists E from xEvent where E.timestamp occurs …`.'
        : 'Use a field with format date or date-time.'
    return this.mismatch(expr.span, `\`occurs\` needs a date or timestamp, this is ${describe(checked.type)}`, help)
  }

  moment(expr: Expr, scope: Scope): Moment | null {
    const meaning = this.meaning(expr, scope)
    if (meaning === null) return null
    if (meaning.kind === 'moment') return meaning.moment
    const checked = meaning.kind === 'value' ? meaning : null
    const value = checked
      ? this.small(asInstant(checked, this.coerced(checked, timestamp, expr)), mostTimeNodes, expr.span)
      : null
    if (!checked || !value)
      return this.mismatch(
        expr.span,
        'A time is expected here',
        'Write now, today, yesterday, tomorrow, last month, date(2026, 1, 31), or a field with format date or date-time.',
      )
    const wholeDay =
      checked.type.kind === 'date' ||
      (checked.value.kind === 'literal' &&
        typeof checked.value.value === 'string' &&
        !/[T ]/.test(checked.value.value.trim()))
    if (wholeDay) return { kind: 'interval', start: value, end: shifted(value, 1, 'day') }
    return { kind: 'instant', at: value }
  }

  occurs(subjectExpr: Expr, when: When, scope: Scope): Meaning {
    const subject = this.small(this.instant(subjectExpr, scope), mostTimeNodes, subjectExpr.span)
    const condition = subject && this.when(subject, when, scope)
    return condition && { kind: 'condition', condition }
  }

  when(subject: Value, when: When, scope: Scope): Condition | null {
    const within = (from: Bound | null, to: Bound | null): Condition => ({ kind: 'within', subject, from, to })
    switch (when.kind) {
      case 'error':
        return null
      case 'on': {
        const moment = this.moment(when.time, scope)
        if (!moment) return null
        return moment.kind === 'instant'
          ? within({ value: moment.at, inclusive: true }, { value: moment.at, inclusive: true })
          : within({ value: moment.start, inclusive: true }, { value: moment.end, inclusive: false })
      }
      case 'between': {
        const from = this.moment(when.from, scope)
        const to = this.moment(when.to, scope)
        return (
          from &&
          to &&
          within(
            { value: startOf(from), inclusive: true },
            to.kind === 'instant' ? { value: to.at, inclusive: true } : { value: to.end, inclusive: false },
          )
        )
      }
      case 'side': {
        const moment = this.moment(when.time, scope)
        if (!moment) return null
        if (when.direction === 'before') return within(null, { value: startOf(moment), inclusive: false })
        if (when.direction === 'from') return within({ value: startOf(moment), inclusive: true }, null)
        return within(
          moment.kind === 'instant' ? { value: moment.at, inclusive: false } : { value: moment.end, inclusive: true },
          null,
        )
      }
      case 'distance': {
        const amount = this.amount(when.amount, when.unit, scope)
        const moment = this.moment(when.time, scope)
        if (amount === null || moment === null) return null
        const before = (): Condition => distanceBefore(subject, when.op, amount, when.unit, moment)
        const after = (): Condition => distanceAfter(subject, when.op, amount, when.unit, moment)
        if (when.direction === 'before') return before()
        if (when.direction === 'after') return after()
        if (when.op === '<' || when.op === '<=') {
          // The time itself lies at distance zero.
          const near = within(
            { value: startOf(moment), inclusive: true },
            moment.kind === 'instant' ? { value: moment.at, inclusive: true } : { value: moment.end, inclusive: false },
          )
          return { kind: 'or', items: [before(), near, after()] }
        }
        return { kind: 'or', items: [before(), after()] }
      }
      default:
        return unreachable(when)
    }
  }

  /** Passes a value on that will be repeated in the tree, unless it is so large that repeating it would swamp every engine. */
  small(value: Value | null, most: number, span: Span): Value | null {
    if (value === null || sizeOf(value, most) <= most) return value
    return this.report({
      code: 'pql-unsupported',
      message: 'This is too long an expression for its place',
      span,
      help: 'Put it into a Segment of its own and combine with inSegment.',
    })
  }

  /** How many units lie between two times: no more than keep every sensible result within what all engines can reckon. */
  amount(expr: Expr, unit: Unit, scope: Scope): number | null {
    const months = unitMonths[unit]
    const most = Math.floor(
      months === null ? furthestYears / (unitMilliseconds[unit]! / yearMilliseconds) : furthestYears / (months / 12),
    )
    return this.wholeNumber(expr, most, scope, `Turn \`before\` into \`after\`, or the other way round.`)
  }

  wholeNumber(expr: Expr, most: number, scope: Scope, negativeHelp: string): number | null {
    const checked = this.value(expr, scope)
    if (!checked) return null
    if (checked.value.kind !== 'literal')
      return this.report({
        code: 'pql-unsupported',
        message: 'A number is needed here, not an expression',
        span: expr.span,
        help: 'Write a whole number such as 30.',
      })
    const { value } = checked.value
    if (typeof value !== 'number')
      return this.mismatch(
        expr.span,
        `A whole number is needed here, this is ${describe(checked.type)}`,
        'Write a whole number such as 30.',
      )
    if (Number.isInteger(value) && value >= 0 && value <= most) return value
    return this.report({
      code: 'pql-unsupported',
      message: `${value} is not a whole number from 0 to ${most.toLocaleString('en-US')}`,
      span: expr.span,
      help: value < 0 ? negativeHelp : 'Write such a number.',
    })
  }

  // ---- quantifiers

  quantifier(kind: 'exists' | 'forall' | 'select', generators: readonly Generator[], scope: Scope): Meaning {
    const bound = this.generators(generators, scope)
    if (!bound) return null
    if (kind === 'select') return this.selected(bound)
    let condition: Condition | null = null
    for (const generator of [...bound].reverse()) {
      const own: Condition =
        kind === 'forall' && generator.where
          ? { kind: 'not', item: generator.where }
          : (generator.where ?? { kind: 'constant', value: kind !== 'forall' })
      // forall: some tuple breaks some claim; exists: some tuple keeps them all.
      const where: Condition =
        condition === null
          ? own
          : kind === 'forall'
            ? { kind: 'or', items: [own, condition] }
            : generator.where
              ? { kind: 'and', items: [own, condition] }
              : condition
      condition = { kind: 'any', list: generator.list, variable: generator.variable, where }
    }
    return (
      condition && { kind: 'condition', condition: kind === 'forall' ? { kind: 'not', item: condition } : condition }
    )
  }

  generators(generators: readonly Generator[], scope: Scope): BoundGenerator[] | null {
    const bound: BoundGenerator[] = []
    let inner = scope
    let faulty = false
    for (const generator of generators) {
      const list = this.list(this.meaning(generator.array, inner), generator.array.span, '`from`')
      if (!list) faulty = true
      const variable = this.deeper(inner, generator.variable.span)
      const item: Meaning = list
        ? this.meaningOf({ kind: 'variable', id: variable, type: dataTypeOf(list.items) }, list.items)
        : null
      inner = { ...inner, variables: new Map([...inner.variables, [generator.variable.name, item]]), depth: variable }
      const where = generator.where ? this.condition(generator.where, inner) : null
      if (generator.where && !where) faulty = true
      if (list)
        bound.push({
          name: generator.variable.name,
          variable,
          list: list.value,
          items: list.items,
          where,
          scope: inner,
        })
    }
    return faulty ? null : bound
  }

  selected(bound: readonly BoundGenerator[]): Meaning {
    if (bound.length === 1) {
      const { list, variable, where, items } = bound[0]!
      const value: Value = where ? { kind: 'filter', list, variable, where, type: { items: dataTypeOf(items) } } : list
      return { kind: 'value', value, type: { kind: 'array', items } }
    }
    const tuple: ObjectType = {
      kind: 'object',
      fields: new Map(bound.map((generator) => [generator.name, generator.items])),
    }
    const record: Value = {
      kind: 'record',
      fields: bound.map((generator) => ({
        name: generator.name,
        value: { kind: 'variable', id: generator.variable, type: dataTypeOf(generator.items) },
      })),
      type: dataTypeOf(tuple),
    }
    return { kind: 'value', value: tupleList(bound, record), type: { kind: 'array', items: tuple } }
  }

  aggregate(expr: Extract<Expr, { kind: 'aggregate' }>, scope: Scope): Meaning {
    const bound = this.generators(expr.generators, scope)
    if (!bound || bound.length === 0) return null
    if (expr.name === 'count')
      return this.folded('count', tupleList(bound, { kind: 'literal', value: 1, type: 'integer' }), integer)
    const checked = this.value(expr.value, bound.at(-1)!.scope)
    if (!checked) return null
    return this.foldOver(expr.name, checked, expr.value.span, (to) => tupleList(bound, to))
  }

  foldOver(
    fold: Exclude<Fold, 'count'>,
    checked: { value: Value; type: Type },
    span: Span,
    listOf: (to: Value) => Value,
  ): Meaning {
    const { type } = checked
    if (isNumeric(type))
      return this.folded(
        fold,
        listOf(checked.value),
        fold === 'sum' || fold === 'average' || type.kind === 'number' ? number : integer,
      )
    if ((fold === 'min' || fold === 'max') && (type.kind === 'date' || type.kind === 'timestamp'))
      return this.folded(fold, listOf(checked.value), type)
    return this.mismatch(
      span,
      `\`${fold}\` needs a number${fold === 'min' || fold === 'max' ? ' or a time' : ''}, this is ${describe(type)}`,
      'Name a field of type integer or number.',
    )
  }

  folded(fold: Fold, list: Value, type: Type): Meaning {
    return { kind: 'value', value: { kind: 'fold', fold, list, type: dataTypeOf(type) }, type }
  }

  let(expr: Extract<Expr, { kind: 'let' }>, scope: Scope): Meaning {
    const meaning = this.meaning(expr.value, scope)
    if (meaning === null) {
      this.meaning(expr.body, { ...scope, variables: new Map([...scope.variables, [expr.name, null]]) })
      return null
    }
    // Only what costs something is bound; records, literals and lists of events are put in place.
    if (
      meaning.kind !== 'value' ||
      meaning.value.kind === 'literal' ||
      meaning.value.kind === 'column' ||
      meaning.type.kind === 'array'
    ) {
      return this.meaning(expr.body, { ...scope, variables: new Map([...scope.variables, [expr.name, meaning]]) })
    }
    const variable = this.deeper(scope, expr.span)
    const bound: Meaning = {
      kind: 'value',
      value: { kind: 'variable', id: variable, type: dataTypeOf(meaning.type) },
      type: meaning.type,
    }
    const inner = { ...scope, variables: new Map([...scope.variables, [expr.name, bound]]), depth: variable }
    const meant = this.meaning(expr.body, inner)
    const defined = meant?.kind === 'record' ? this.recordDefined(meant, expr.body.span) : null
    const body = meant?.kind === 'record' ? defined && truth(defined) : this.valueOf(meant, expr.body)
    if (!body) return null
    return this.meaningOf(
      { kind: 'let', variable, value: meaning.value, body: body.value, type: dataTypeOf(body.type) },
      body.type,
    )
  }

  // ---- sequences

  chain(expr: Extract<Expr, { kind: 'chain' }>, scope: Scope): Meaning {
    const list = this.list(this.meaning(expr.array, scope), expr.array.span, 'CHAIN')
    if (!list) return null
    if (list.items.kind !== 'object')
      return this.mismatch(expr.array.span, 'CHAIN needs an array of events', 'Write xEvent.')
    if (expr.steps.length === 0)
      return this.report({
        code: 'pql-syntax',
        message: 'CHAIN has no steps',
        span: expr.span,
        help: 'Write [A: WHAT(…), B: WHAT(…)].',
      })
    const labels = new Set(expr.steps.flatMap((step) => (step.label ? [step.label.name] : [])))
    const correlated = expr.steps.some(
      (step) => step.where !== null || mentions(step.when, labels) || mentions(step.what, labels),
    )
    const property = expr.property.kind === 'name' ? expr.property.name : null
    if (expr.property.kind === 'error') return null
    const timeType = property ? list.items.fields.get(property) : undefined
    if (!property || (timeType?.kind !== 'timestamp' && timeType?.kind !== 'date')) {
      return this.mismatch(expr.property.span, 'CHAIN orders events by a time property', 'Write timestamp.')
    }
    if (property !== 'timestamp' || list.value.kind !== 'events' || correlated)
      return this.correlatedChain(expr.steps, list, property, expr.array, scope)
    const variable = scope.depth + 1
    const steps: { what: Condition; count: number }[] = []
    for (const step of expr.steps) {
      const inner = this.inside(list.items, expr.array, scope)
      const what = this.stepCondition(step, inner.scope, property, inner.variable, list.items)
      const count = step.count ? this.stepCount(step.count, scope) : 1
      if (!what || count === null) return null
      steps.push({ what, count })
    }
    return { kind: 'condition', condition: { kind: 'sequence', variable, steps } }
  }

  stepCondition(
    step: ChainStep,
    scope: Scope,
    property: string,
    variable: number,
    items: ObjectType,
  ): Condition | null {
    const what = step.what ? this.condition(step.what, scope) : ({ kind: 'constant', value: true } as const)
    const time: Value = {
      kind: 'member',
      object: { kind: 'variable', id: variable, type: dataTypeOf(items) },
      path: [property],
      type: 'timestamp',
    }
    const when = step.when ? this.when(time, step.when, scope) : ({ kind: 'constant', value: true } as const)
    if (!what || !when) return null
    const parts = [what, when].filter((part) => part.kind !== 'constant')
    return parts.length === 0
      ? { kind: 'constant', value: true }
      : parts.length === 1
        ? parts[0]!
        : { kind: 'and', items: parts.flatMap((part) => (part.kind === 'and' ? part.items : [part])) }
  }

  stepCount(expr: Expr, scope: Scope): number | null {
    const checked = this.value(expr, scope)
    if (!checked) return null
    const value = checked.value.kind === 'literal' ? checked.value.value : null
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 1000) return value
    return this.report({
      code: 'pql-unsupported',
      message: 'COUNT takes a whole number from 1 to 1000',
      span: expr.span,
      help: 'For events that must not happen write `and not (CHAIN(…))`.',
    })
  }

  /** A chain whose steps look at each other, as nested quantifiers: some first event, some later second one, … */
  correlatedChain(
    steps: readonly ChainStep[],
    list: { value: Value; items: Type },
    property: string,
    arrayExpr: Expr,
    scope: Scope,
  ): Meaning {
    const items = list.items as ObjectType // `chain` asked before
    const build = (index: number, outer: Scope, previous: Value | null): Condition | null => {
      const step = steps[index]
      if (!step) return { kind: 'constant', value: true }
      if (step.count && this.stepCount(step.count, scope) !== 1) {
        return this.report({
          code: 'pql-unsupported',
          message: 'COUNT above 1 cannot stand in a CHAIN whose steps refer to each other',
          span: step.count.span,
          help: 'Write the step several times.',
        })
      }
      const inner = this.inside(items, arrayExpr, outer)
      const labelled = step.label
        ? { ...inner.scope, variables: new Map([...inner.scope.variables, [step.label.name, inner.item]]) }
        : inner.scope
      const own = this.stepCondition(step, labelled, property, inner.variable, items)
      const where = step.where ? this.condition(step.where, labelled) : ({ kind: 'constant', value: true } as const)
      const time: Value = {
        kind: 'member',
        object: { kind: 'variable', id: inner.variable, type: dataTypeOf(items) },
        path: [property],
        type: 'timestamp',
      }
      const later: Condition = previous
        ? { kind: 'within', subject: time, from: { value: previous, inclusive: false }, to: null }
        : { kind: 'constant', value: true }
      // Names of later steps are read from their own event; labels stay visible.
      const rest = build(index + 1, { ...labelled, elements: outer.elements }, time)
      if (!own || !where || !rest) return null
      const parts = [later, own, where, rest].filter((part) => part.kind !== 'constant')
      return {
        kind: 'any',
        list: list.value,
        variable: inner.variable,
        where:
          parts.length === 1
            ? parts[0]!
            : parts.length === 0
              ? { kind: 'constant', value: true }
              : { kind: 'and', items: parts },
      }
    }
    const condition = build(0, scope, null)
    return condition && { kind: 'condition', condition }
  }

  // ---- functions

  call(expr: Extract<Expr, { kind: 'call' }>, scope: Scope): Meaning {
    if (!isFunction(expr.name)) return this.unknownFunction(expr, scope)
    const { name } = expr
    const entry = functions[name]
    if ((expr.receiver === null) !== (entry.form === 'function')) {
      const written = entry.form === 'method' ? 'after what it is applied to' : 'on its own'
      return this.report({
        code: 'pql-unknown-function',
        message: `\`${name}\` stands ${written}`,
        span: expr.nameSpan,
        help: `Write \`${entry.signature}\`.`,
        fixes: this.turned(expr),
      })
    }
    return handlers[name](this, expr, scope)
  }

  /** `count(xEvent)` as `xEvent.count()`. */
  turned(expr: Extract<Expr, { kind: 'call' }>): NonNullable<PqlFault['fixes']> {
    const [first, ...others] = expr.args
    if (expr.receiver !== null || !first || !['name', 'field', 'call', 'filter', 'group'].includes(first.kind))
      return []
    const [object, ...args] = [first, ...others].map((arg) => this.source.slice(arg.span.start, arg.span.end))
    const text = `${object}.${expr.name}(${args.join(', ')})`
    return [{ title: `Replace with \`${text}\``, span: expr.span, text, safety: 'safe' }]
  }

  unknownFunction(expr: Extract<Expr, { kind: 'call' }>, scope: Scope): null {
    const form = expr.receiver === null ? 'function' : 'method'
    const groups = expr.receiver === null ? null : groupsOf(this.meaning(expr.receiver, scope))
    const same = functionNames.filter(
      (name) => functions[name].form === form && (groups === null || groups.includes(functions[name].group)),
    )
    const habit = habits.get(expr.name.toLowerCase())
    const meant =
      habit?.instead && same.includes(habit.instead) ? [habit.instead] : habit ? [] : nearest(expr.name, same)
    const more = same.length > 10 ? ` and ${same.length - 10} more` : ''
    return this.report({
      code: 'pql-unknown-function',
      message: `There is no ${form} \`${expr.name}\` in PQL`,
      span: expr.nameSpan,
      help:
        habit?.help ??
        (meant.length > 0
          ? `Did you mean ${alternatives(meant)}?`
          : `${groups === null ? 'PQL has' : 'Here there are'} ${alternatives(same.slice(0, 10))}${more}.`),
      fixes: meant.map((name) => ({
        title: `Replace with \`${name}\``,
        span: expr.nameSpan,
        text: name,
        safety: meant.length === 1 ? ('safe' as const) : ('review' as const),
      })),
    })
  }

  /** Reports a wrong number of arguments; `most` inclusive. */
  takes(expr: Extract<Expr, { kind: 'call' }>, least: number, most: number): boolean {
    const given = expr.args.length
    if (given >= least && given <= most) return true
    const wanted = least === most ? `${least}` : `${least} to ${most}`
    const last = expr.args.at(-1)
    this.mismatch(
      given > most && last ? last.span : expr.nameSpan,
      `\`${expr.name}\` takes ${wanted} argument${wanted === '1' ? '' : 's'}, here are ${given}`,
      `Write \`${functions[expr.name as FunctionName].signature}\`.`,
    ) // the name was looked up before
    return false
  }
}

const functionNames = Object.keys(functions) as FunctionName[] // its keys

/** The groups of functions that can be called on such a value; null for any. */
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
    default:
      return ['object']
  }
}

/** `orders` → `order`, `categories` → `category`: PQL lets one item be named by the singular of its array. */
function singularOf(expr: Expr): string | null {
  const name =
    expr.kind === 'name'
      ? expr.name
      : expr.kind === 'field'
        ? expr.name
        : expr.kind === 'filter'
          ? singularOf(expr.array)
          : expr.kind === 'group'
            ? singularOf(expr.inner)
            : null
  if (name === null) return null
  if (expr.kind === 'filter' || expr.kind === 'group') return name
  if (name.endsWith('ies')) return `${name.slice(0, -3)}y`
  return name.endsWith('s') ? name.slice(0, -1) : name
}

/** Does any name in there belong to the set? */
function mentions(node: unknown, names: ReadonlySet<string>): boolean {
  const open = [node]
  while (open.length > 0) {
    const part = open.pop()
    if (typeof part !== 'object' || part === null) continue
    if ('kind' in part && part.kind === 'name' && 'name' in part && names.has(String(part.name))) return true
    for (const child of Object.values(part)) open.push(child)
  }
  return false
}

/** Where a fault inside a string literal's value stands in the expression; the whole literal where escapes make it unclear. */
function insideString(literal: Span, value: string, fault: { readonly start: number; readonly end: number }): Span {
  if (literal.end - literal.start !== value.length + 2) return literal
  return { start: literal.start + 1 + fault.start, end: literal.start + 1 + fault.end }
}

function capital(sentence: string): string {
  return sentence[0]!.toUpperCase() + sentence.slice(1)
}

/** The value as an instant where it is a time; a date is its first instant. */
function asInstant(checked: { value: Value; type: Type }, coerced: Value | null): Value | null {
  if (isLiteral(checked.value)) return coerced && coerced.type === 'timestamp' ? coerced : null
  if (checked.type.kind === 'timestamp') return checked.value
  return checked.type.kind === 'date' ? { kind: 'instant', value: checked.value, type: 'timestamp' } : null
}
