import type { SpecOf } from '#crds'
import { attributeAt } from './attribute-path.ts'
import type { StoreModel } from './model.ts'
import type { Condition, Value } from './pql/ir.ts'
import type { Path } from './resource.ts'
import { dataTypeOf, describe, type Type, typeAt, type UnionTypes } from './schema.ts'
import { alternatives } from './suggest.ts'

/** What a store says of consent, for everything that is sent (`general`) or for one channel. */
export type ConsentRule = NonNullable<NonNullable<SpecOf<'ProfileStore'>['consent']>['general']>

/** The rules that hold for what is sent by a channel; undefined: by no channel. */
export function consentRules({ resource }: Pick<StoreModel, 'resource'>, channel: string | undefined): ConsentRule[] {
  const { general, channels = {} } = resource.spec.consent ?? {}
  const own = channel !== undefined && Object.hasOwn(channels, channel) ? channels[channel] : undefined
  return [...(general ? [general] : []), ...(own ? [own] : [])]
}

/** Who may not be sent by a channel, as a condition; null: everybody may. Paths that the schema does not have were refused before. */
export function withoutConsent(
  store: Pick<StoreModel, 'resource' | 'types'>,
  channel: string | undefined,
): Condition | null {
  return anyOf(consentRules(store, channel).flatMap((rule) => ruleCondition(rule, store.types) ?? []))
}

function anyOf(items: readonly Condition[]): Condition | null {
  return items.length > 1 ? { kind: 'or', items } : (items[0] ?? null)
}

/** Without `in` an absent value, and one that is not listed, means that the person may be sent; with it, that they may not. */
export function ruleCondition({ path, out = [], in: allowed }: ConsentRule, { profile }: UnionTypes): Condition | null {
  const type = typeAt(profile, path)
  if (!type) return null
  const column: Value = { kind: 'column', path, type: dataTypeOf(type) }
  const isOneOf = (values: readonly string[]): Condition => ({
    kind: 'or',
    items: values.map((value) => isValue(column, type, value)),
  })
  return anyOf([
    ...(out.length > 0 ? [isOneOf(out)] : []),
    ...(allowed ? [{ kind: 'not', item: isOneOf(allowed) } as const] : []),
  ])
}

function isValue(column: Value, type: Type, value: string): Condition {
  const compared = (of: 'boolean' | 'number', right: boolean | number): Condition => ({
    kind: 'compare',
    op: '=',
    of,
    left: column,
    right: { kind: 'literal', value: right, type: of === 'boolean' ? 'boolean' : 'integer' },
  })
  if (type.kind === 'boolean') return compared('boolean', value.toLowerCase() === 'true')
  if (type.kind === 'integer') return compared('number', Number(value))
  const right: Value = { kind: 'literal', value, type: 'string' }
  return { kind: 'text', test: 'equals', negated: false, ignoreCase: true, left: column, right }
}

export type ConsentFault = { readonly path: Path; readonly message: string; readonly help: string }

/** What is wrong with the values of a store's consent. A path that the schema does not have is none of these faults. */
export function consentFaults(store: Pick<StoreModel, 'resource' | 'types'>): readonly ConsentFault[] {
  return everyRule(store).flatMap(({ rule, path }): ConsentFault[] => {
    const attribute = attributeAt(store.types.profile, rule.path)
    if (attribute.kind === 'unknown') return []
    if (attribute.kind !== 'scalar' || !['string', 'boolean', 'integer'].includes(attribute.type.kind))
      return [
        {
          path: [...path, 'path'],
          message: `Consent is text, true or false, or an integer; \`${rule.path}\` is ${describe(attribute.type)}`,
          help: 'Name an attribute that holds one value.',
        },
      ]
    const { type } = attribute
    const listed = (['out', 'in'] as const).flatMap((list) =>
      (rule[list] ?? []).map((value, index) => ({ value, path: [...path, list, index] })),
    )
    const seen = new Set<string>()
    return listed.flatMap(({ value, path: at }): ConsentFault[] => {
      const key = value.toLowerCase()
      const isRepeated = seen.has(key)
      seen.add(key)
      if (isRepeated)
        return [
          { path: at, message: `\`${value}\` is there twice`, help: 'A value is out or in; remove one of the two.' },
        ]
      if (canBe(type, value)) return []
      return [
        {
          path: at,
          message: `\`${rule.path}\` is never \`${value}\`: it is ${describe(type)}`,
          help:
            type.kind === 'string'
              ? `Its values are ${alternatives(type.values ?? [])}.`
              : `Write ${type.kind === 'boolean' ? '`"true"` or `"false"`' : 'an integer in quotes'}.`,
        },
      ]
    })
  })
}

function canBe(type: Type, value: string): boolean {
  if (type.kind === 'boolean') return /^(true|false)$/i.test(value)
  if (type.kind === 'integer') return /^-?\d{1,15}$/.test(value)
  return type.kind !== 'string' || (type.values?.some((one) => one.toLowerCase() === value.toLowerCase()) ?? true)
}

/** All rules of a store's consent, with their places. */
export function everyRule({ resource }: Pick<StoreModel, 'resource'>): readonly {
  readonly rule: ConsentRule
  /** null: it holds for everything that is sent. */
  readonly channel: string | null
  readonly path: Path
}[] {
  const { general, channels = {} } = resource.spec.consent ?? {}
  return [
    ...(general ? [{ rule: general, channel: null, path: ['spec', 'consent', 'general'] }] : []),
    ...Object.entries(channels).map(([channel, rule]) => ({
      rule,
      channel,
      path: ['spec', 'consent', 'channels', channel],
    })),
  ]
}

/** Field names that speak of consent: those of XDM, and what systems call theirs. */
const consentNames =
  /^(consents?|privacyOptOuts?|optInOut|opt(ed)?_?(in|out)s?(_.*|[A-Z].*)?|do_?not_?(contact|email|e_?mail|call|sms|mail|send|sell)(_.*|[A-Z].*)?|unsubscribed?|blackList(ed)?([A-Z].*)?)$/i

/** Paths of a schema that seem to say who may be sent; what lies under such a path is not listed. */
export function consentPaths({ types }: Pick<StoreModel, 'types'>): readonly string[] {
  const found: string[] = []
  const look = (type: Type, prefix: string): void => {
    if (type.kind !== 'object') return
    for (const [name, field] of type.fields)
      if (consentNames.test(name)) found.push(`${prefix}${name}`)
      else look(field, `${prefix}${name}.`)
  }
  look(types.profile, '')
  return found
}
