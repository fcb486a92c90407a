import { dataTypeOf, describe, type ObjectType } from '../../schema.ts'
import type { Expr, Span } from '../ast.ts'
import { replacement } from '../fault.ts'
import { functions, isFunction } from '../functions.ts'
import { greatestVariable, type Value } from '../ir.ts'
import { type Checking, eventsOf, mismatch, profileOf, syntax } from './context.ts'
import { describeMeaning, fieldOf, flattened, type Meaning, meaningOf, type Scope, variableOf } from './meaning.ts'
import { recordDefined } from './operand.ts'
import { reportNear, reportUncalled, reportUnknownField, reportUnknownName } from './unknown-name.ts'

/** A name, and its place. */
type Step = { readonly name: string; readonly span: Span }

/** `a.b.c`: a name, and fields of what it stands for. */
export function path(checking: Checking, expr: Expr, scope: Scope): Meaning {
  const steps: Step[] = []
  let base: Expr = expr
  while (base.kind === 'field') {
    steps.push({ name: base.name, span: base.nameSpan })
    base = base.object
  }
  steps.reverse()
  const names = steps.map((step) => step.name)
  let meaning = base.kind === 'name' ? name(checking, base, names, scope) : checking.meaning(base, scope)
  for (const [index, step] of steps.entries()) {
    if (meaning === null) return null
    meaning = field(checking, meaning, step, names.slice(index + 1), expr.span, scope)
  }
  return meaning
}

/** `rest`: the fields that are read of it, which hint at what an unknown name may have meant. */
function name(checking: Checking, at: Step, rest: readonly string[], scope: Scope): Meaning {
  const variable = scope.variables.get(at.name)
  if (variable !== undefined) return variable
  const element = scope.elements.at(-1)
  const root = element ? element.meaning : profileOf(checking)
  if (root === null) return null
  if (root.kind === 'record') {
    const found = root.type.fields.get(at.name)
    if (found) return fieldOf(root, at.name, found)
  }
  if (element && element.singular === at.name) return element.meaning
  if (element?.isOpen) {
    const profile = profileOf(checking)
    const found = profile.type.fields.get(at.name)
    if (found) return fieldOf(profile, at.name, found)
  }
  if (at.name === 'xEvent') return allEvents(checking, at.span, scope)
  return reportUnknownName(checking, at, rest, scope, root)
}

function allEvents({ names, report, place }: Checking, span: Span, scope: Scope): Meaning {
  const { event } = names.types
  if (!event)
    return report({
      code: 'unknown-attribute',
      message: 'The ProfileStore has no event schema, so there is no `xEvent`',
      span,
      help: 'Add `schema.event` to the ProfileStore.',
    })
  if (scope.elements.length === 0) {
    const events = eventsOf(event)
    place(events.value, span)
    return events
  }
  const up = `${'^'.repeat(scope.elements.length)}.xEvent`
  return report({
    code: 'unknown-attribute',
    message: '`xEvent` is not a field of the item that is filtered here',
    span,
    help: `Write \`${up}\` to reach the profile.`,
    fixes: [replacement(span, up)],
  })
}

/** A field of what a path has led to so far; `whole` is the place of the path. */
export function field(
  checking: Checking,
  object: NonNullable<Meaning>,
  step: Step,
  rest: readonly string[],
  whole: Span,
  scope: Scope,
): Meaning {
  switch (object.kind) {
    case 'record': {
      const type = object.type.fields.get(step.name)
      if (type) return fieldOf(object, step.name, type)
      const { event } = checking.names.types
      const isProfile = object.base.kind === 'profile' && object.base.prefix === ''
      if (isProfile && step.name === 'xEvent' && event) return eventsOf(event)
      return reportUnknownField(checking, object, step, rest)
    }
    case 'value':
      return fieldOfValue(checking, object, step, rest, whole, scope)
    case 'condition':
    case 'moment':
      return reportNoFields(checking, object, step, whole)
  }
}

function fieldOfValue(
  checking: Checking,
  object: Extract<Meaning, { kind: 'value' }>,
  step: Step,
  rest: readonly string[],
  whole: Span,
  scope: Scope,
): Meaning {
  const { value, type } = object
  if (type.kind === 'map') {
    const key: Value = { kind: 'literal', value: step.name, type: 'string' }
    return meaningOf({ kind: 'get', map: value, key, type: dataTypeOf(type.values) }, type.values)
  }
  const items = type.kind === 'array' && type.items.kind === 'object' ? type.items : null
  if (!items?.fields.has(step.name)) {
    if (step.name === 'length' || step.name === 'size')
      return mismatch(
        checking,
        step.span,
        `\`${step.name}\` is not a field`,
        'For the number of items write `.count()`.',
        { fixes: [replacement(step.span, 'count()')] },
      )
    if (isFunction(step.name) && functions[step.name].form === 'method')
      return reportUncalled(checking, step.name, step.span)
  }
  if (items) return fieldOfItems(checking, value, items, step, rest, scope)
  if (type.kind === 'array')
    return mismatch(
      checking,
      step.span,
      `\`${step.name}\` cannot be read from ${describe(type)}`,
      'Its items are plain values; use `includes`, `count()` or a filter.',
    )
  return reportNoFields(checking, object, step, whole)
}

function reportNoFields({ report }: Checking, object: NonNullable<Meaning>, { name, span }: Step, whole: Span): null {
  const what = describeMeaning(object)
  return report({
    code: 'unknown-attribute',
    message: `\`${name}\` cannot be read from ${what}`,
    span,
    help: 'Only objects have fields.',
    related: [{ span: { start: whole.start, end: span.start }, message: `this is ${what}` }],
  })
}

/** `array.field`: the field of each item; items without it are left out, and arrays in arrays are joined. */
function fieldOfItems(
  checking: Checking,
  list: Value,
  items: ObjectType,
  step: Step,
  rest: readonly string[],
  scope: Scope,
): Meaning {
  const type = items.fields.get(step.name)
  if (!type) return reportNear(checking, 'the items of this array', items, step, rest)
  const variable = Math.max(scope.depth, greatestVariable(list)) + 1
  const object = variableOf(variable, items)
  const to: Value = { kind: 'member', object, path: [step.name], type: dataTypeOf(type) }
  if (type.kind !== 'object')
    return flattened({ kind: 'map', list, variable, to, type: { items: dataTypeOf(type) } }, type)
  // An object is absent when all its fields are, whatever an engine stores in its place.
  const base = { kind: 'object', value: object, path: [step.name] } as const
  const where = recordDefined(checking, { base, type }, step.span)
  if (!where) return null
  const present: Value = { kind: 'filter', list, variable, where, type: { items: dataTypeOf(items) } }
  return flattened({ kind: 'map', list: present, variable, to, type: { items: dataTypeOf(type) } }, type)
}

/** `^`, `^^`: the item, or the profile, of the filter one or two levels further out. */
export function outer(checking: Checking, levels: number, span: Span, scope: Scope): Meaning {
  const around = scope.elements.length
  if (levels > around)
    return syntax(
      checking,
      span,
      `\`${'^'.repeat(levels)}\` leads out of the profile`,
      around === 0 ? 'It has a meaning only inside a filter `[…]`.' : `Write at most ${around}.`,
    )
  return levels === around ? profileOf(checking) : scope.elements[around - levels - 1]!.meaning
}
