import { objectType, type Type } from '../../schema.ts'
import { alternatives, nearest } from '../../suggest.ts'
import type { Expr, Span } from '../ast.ts'
import { replacement } from '../fault.ts'
import { type Checking, unsupported } from './context.ts'
import { type Meaning, meaningOf, type Scope, timestamp } from './meaning.ts'
import { field } from './names.ts'

// `segmentMembership`: what the membership version before this evaluation says of the profile.

/** The namespace of Segments that the store evaluates itself. */
const namespace = 'ups'

const status: Type = { kind: 'string', values: ['realized', 'exited'] }
const membership = objectType(
  new Map<string, Type>([
    ['status', status],
    ['lastQualificationTime', timestamp],
  ]),
)

/** A key that is read of a map, and its place without quotes. */
type Key = { readonly name: string; readonly span: Span }

/**
 * The membership that `segmentMembership.get("ups").get("NAME")` reads, in any way to write the reading of a map; undefined for another
 * expression, and where the profile's own schema has a field of that name.
 */
export function membershipMeaning(checking: Checking, expr: Expr, scope: Scope): Meaning | undefined {
  const keys: Key[] = []
  let at = expr
  for (let key = keyOf(at); key; key = keyOf(at)) {
    keys.unshift(key.key)
    at = key.of
  }
  if (at.kind !== 'name' || at.name !== root) return undefined
  if (scope.variables.has(root) || checking.names.types.profile.fields.has(root)) return undefined
  const [first, second, ...more] = keys
  if (more.length > 0) {
    const whole = expr.kind === 'field' ? membershipMeaning(checking, expr.object, scope) : undefined
    if (!whole || expr.kind !== 'field') return whole
    return field(checking, whole, { name: expr.name, span: expr.nameSpan }, [], expr.span, scope)
  }
  if (!first || !second)
    return unsupported(
      checking,
      at.span,
      `\`${root}\` is read for one Segment`,
      `Write \`${root}.get("${namespace}").get("name")\`.`,
    )
  if (first.name !== namespace)
    return unsupported(
      checking,
      first.span,
      `Memberships of the namespace "${first.name}" are not kept`,
      `Those of the store's own Segments are in "${namespace}".`,
    )
  const { name, span } = second
  checking.refer({ name, span })
  const { segments } = checking.names
  if (!segments.has(name)) return reportUnknownSegment(checking, second)
  return meaningOf(
    {
      kind: 'record',
      type: membership.dataType,
      fields: [
        { name: 'status', value: { kind: 'qualified', segment: name, part: 'status', type: 'string' } },
        {
          name: 'lastQualificationTime',
          value: { kind: 'qualified', segment: name, part: 'since', type: 'timestamp' },
        },
      ],
    },
    membership,
  )
}

const root = 'segmentMembership'

/** `of.get("key")`, `of["key"]` and `of.key`, also where the profile itself is `of`. */
function keyOf(expr: Expr): { readonly of: Expr; readonly key: Key } | null {
  switch (expr.kind) {
    case 'group':
      return keyOf(expr.inner)
    case 'call': {
      const [key, ...others] = expr.args
      if (expr.name !== 'get' || !expr.receiver || others.length > 0 || key?.kind !== 'literal') return null
      return { of: expr.receiver, key: { name: String(key.value), span: unquoted(key.span) } }
    }
    case 'filter':
      return expr.condition.kind === 'literal' && typeof expr.condition.value === 'string'
        ? { of: expr.array, key: { name: expr.condition.value, span: unquoted(expr.condition.span) } }
        : null
    case 'field':
      return { of: expr.object, key: { name: expr.name, span: expr.nameSpan } }
    default:
      return null
  }
}

function unquoted({ start, end }: Span): Span {
  return { start: start + 1, end: end - 1 }
}

export function reportUnknownSegment(checking: Checking, { name, span }: Key): null {
  const near = nearest(name, checking.names.segments)
  return checking.report({
    code: 'unresolved-reference',
    message: `There is no Segment \`${name}\` in this ProfileStore`,
    span,
    help:
      near.length > 0
        ? `Did you mean ${alternatives(near)}?`
        : 'Name a Segment of the same namespace and ProfileStore, or add it.',
    fixes: near.map((candidate) => replacement(span, candidate, 'review')),
  })
}
