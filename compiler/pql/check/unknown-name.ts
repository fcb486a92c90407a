import { columnsOf, type ObjectType, typeAt } from '../../schema.ts'
import { alternatives, nearest } from '../../suggest.ts'
import type { Span } from '../ast.ts'
import { type PqlFix, replacement, replacements } from '../fault.ts'
import { type FunctionName, functions, isFunction } from '../functions.ts'
import type { Checking } from './context.ts'
import type { Meaning, RecordMeaning, Scope } from './meaning.ts'

// Messages for names that lead nowhere, with what was probably meant.

type Name = { readonly name: string; readonly span: Span }

/** How many of the existing names a help lists. */
const mostListed = 8

/** Reports a name that begins a path. `root` is what names are read from there, `rest` the fields that are read of the name. */
export function reportUnknownName(
  checking: Checking,
  at: Name,
  rest: readonly string[],
  scope: Scope,
  root: NonNullable<Meaning>,
): null {
  const { name, span } = at
  const report = (message: string, help: string, fixes: readonly PqlFix[] = []): null =>
    checking.report({ code: 'unknown-attribute', message, span, help, fixes })
  const { profile, event } = checking.names.types
  const isInside = scope.elements.length > 0
  const path = [name, ...rest].join('.')
  if (name === 'profile' && rest.length > 0 && !isInside) {
    const prefix = { start: span.start, end: span.end + 1 }
    return report('`profile.` is not written in PQL', 'Start with the field itself.', [
      { title: 'Remove `profile.`', span: prefix, text: '', safety: 'safe' },
    ])
  }
  if (isInside && profile.fields.has(name)) {
    const outer = `${up(scope)}${name}`
    return report(
      `\`${name}\` is a field of the profile, not of ${placeIn(scope)}`,
      `Write \`${outer}\` to reach the profile.`,
      [replacement(span, outer)],
    )
  }
  if (event && isEvents(name)) {
    const events = `${up(scope)}xEvent`
    return report(`\`${name}\` is not a field of ${placeIn(scope)}`, `The profile's events are \`${events}\`.`, [
      replacement(span, events),
    ])
  }
  if (!isInside && event?.fields.has(name))
    return report(
      `\`${name}\` is a field of events, not of the profile`,
      `Ask for an event: \`exists E from xEvent where E.${path} …\`.`,
    )
  if (rest.length === 0 && (name === 'profile' || name === 'profiles'))
    return report(
      `\`${name}\` is not a field of ${placeIn(scope)}`,
      'An expression is a condition on one profile: write what stands after `where` alone, with the fields themselves.',
    )
  if (rest.length === 0 && isFunction(name) && functions[name].form === 'function')
    return reportUncalled(checking, name, span)
  const fields = root.kind === 'record' ? root.type : null
  const candidates = fields ? [...fields.fields.keys()] : []
  const meant = meantBy(at, rest, fields, scope)
  if (meant.length === 0 && rest.length === 0 && isArrayWanted(checking, span))
    return reportNoArray(checking, at, scope, fields)
  if (meant.length === 0 && rest.length === 0) return reportUnquoted(checking, at, scope, candidates)
  return reportUnknown(checking, at, placeIn(scope), meant, candidates)
}

/** Whether a name is one that people use for a profile's events. */
function isEvents(name: string): boolean {
  return /^(x|xdm|experience|timeSeries)?_?events?$/i.test(name)
}

/** The `^` that lead from a place to the profile. */
function up({ elements }: Scope): string {
  return elements.length === 0 ? '' : `${'^'.repeat(elements.length)}.`
}

/** Whether an array is expected where a name is written: it is filtered, counted or iterated. */
function isArrayWanted({ source }: Checking, { start, end }: Span): boolean {
  const [, method] = /^\s*\.\s*(\w+)\s*\(/.exec(source.slice(end, end + 60)) ?? []
  const group = method !== undefined && isFunction(method) ? functions[method].group : null
  return (
    group === 'array' ||
    group === 'aggregation' ||
    /^\s*\[/.test(source.slice(end, end + 60)) ||
    /\b(?:from|over)\s+$/.test(source.slice(Math.max(0, start - 60), start))
  )
}

function placeIn(scope: Scope): string {
  return scope.elements.length > 0 ? 'the item that is filtered here' : 'the profile'
}

/** Variables and fields with similar names; where there are none, longer paths with the same end. */
function meantBy({ name }: Name, rest: readonly string[], fields: ObjectType | null, scope: Scope): readonly string[] {
  const near = nearest(name, [...(fields ? fields.fields.keys() : []), ...scope.variables.keys()])
  if (!fields) return near
  // A candidate that the rest of the path exists under is what was meant.
  const fitting = near.filter(
    (candidate) => scope.variables.has(candidate) || typeAt(fields, [candidate, ...rest].join('.')) !== null,
  )
  if (fitting.length > 0) return fitting
  if (near.length > 0) return near
  const ending = `.${[name, ...rest].join('.')}`
  return columnsOf(fields)
    .filter(({ path }) => path.endsWith(ending))
    .map(({ path }) => path.slice(0, path.length - rest.join('.').length - (rest.length > 0 ? 1 : 0)))
}

/** Reports a name that resembles nothing where an array is expected: which arrays exist, and how to ask for events of a kind. */
function reportNoArray(checking: Checking, { name, span }: Name, scope: Scope, fields: ObjectType | null): null {
  const arrays = fields ? [...fields.fields].flatMap(([field, { kind }]) => (kind === 'array' ? [field] : [])) : []
  const listed = arrays.length > 0 ? ` Arrays here are ${alternatives(arrays.slice(0, mostListed))}.` : ''
  const { event } = checking.names.types
  const events = `${up(scope)}xEvent${event?.fields.has('eventType') ? '[eventType = "…"]' : ''}`
  return checking.report({
    code: 'unknown-attribute',
    message: `\`${name}\` is not a field of ${placeIn(scope)}`,
    span,
    help: event ? `Events are \`${events}\`.${listed}` : listed.trim() || 'There are no arrays here.',
  })
}

/** A name that resembles nothing may be a text without its quotes. */
function reportUnquoted({ report }: Checking, { name, span }: Name, scope: Scope, candidates: readonly string[]): null {
  const message = `\`${name}\` is not a field of ${placeIn(scope)}`
  if (['this', 'last', 'next'].includes(name))
    return report({
      code: 'unknown-attribute',
      message,
      span,
      help: `For a time name its unit, as in \`${name} month\`.`,
    })
  const quoted = JSON.stringify(name)
  const singular = scope.elements.at(-1)?.singular
  const item = candidates.length === 0 && singular ? ` The item itself is called \`${singular}\`.` : ''
  const fields = candidates.length > 0 ? ` ${listed(candidates)}` : ''
  return report({
    code: 'unknown-attribute',
    message,
    span,
    help: `If it is text, write ${quoted}.${item}${fields}`,
    fixes: [{ title: `Write ${quoted}`, span, text: quoted, safety: 'review' }],
  })
}

/** Reports a field that an object does not have. */
export function reportUnknownField(
  checking: Checking,
  { base, type }: RecordMeaning,
  step: Name,
  rest: readonly string[],
): null {
  const where =
    base.kind === 'object' ? 'this object' : base.prefix === '' ? 'the profile' : `\`${base.prefix.slice(0, -1)}\``
  const beginsAlike = (name: string): boolean =>
    step.name.length >= 3 && name.toLowerCase().startsWith(step.name.toLowerCase())
  return reportNear(checking, where, type, step, rest, beginsAlike)
}

/** Reports a missing field with those of similar names; else with the first three that `otherwise` accepts. */
export function reportNear(
  checking: Checking,
  where: string,
  type: ObjectType,
  step: Name,
  rest: readonly string[],
  otherwise: (name: string) => boolean = () => false,
): null {
  const candidates = [...type.fields.keys()]
  const near = nearest(step.name, candidates)
  const fitting = near.filter((name) => rest.length === 0 || typeAt(type, [name, ...rest].join('.')) !== null)
  const meant = fitting.length > 0 ? fitting : near.length > 0 ? near : candidates.filter(otherwise).slice(0, 3)
  return reportUnknown(checking, step, where, meant, candidates)
}

function reportUnknown(
  { report }: Checking,
  { name, span }: Name,
  where: string,
  meant: readonly string[],
  candidates: readonly string[],
): null {
  return report({
    code: 'unknown-attribute',
    message: `\`${name}\` is not a field of ${where}`,
    span,
    help:
      meant.length > 0
        ? `Did you mean ${alternatives(meant)}?`
        : candidates.length > 0
          ? listed(candidates)
          : 'It has no fields.',
    fixes: replacements(span, meant),
  })
}

function listed(candidates: readonly string[]): string {
  const more = candidates.length > mostListed ? ` and ${candidates.length - mostListed} more` : ''
  return `Its fields are ${alternatives(candidates.slice(0, mostListed))}${more}.`
}

/** Reports `tags.count` and `currentMonth`: functions have to be called. */
export function reportUncalled({ report }: Checking, name: FunctionName, span: Span): null {
  return report({
    code: 'pql-unknown-function',
    message: `\`${name}\` is a function; its parentheses are missing`,
    span,
    help: `Write \`${functions[name].signature}\`.`,
    fixes: [{ ...replacement(span, `${name}()`), title: `Write \`${name}()\`` }],
  })
}
