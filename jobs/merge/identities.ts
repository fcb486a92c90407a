import type { StorePlan } from '#crds'
import { literal } from '../engines/duckdb.ts'
import type { DataManifest } from '../profile-store.ts'
import { phoneSql } from './phone.ts'

/** How the values of one namespace identify somebody. They are compared in this form; attributes stay as they were written. */
export type IdentityRule = {
  readonly namespace: string
  readonly path: string
  readonly primary: boolean
  /** Whether no profile has two identities of this namespace. */
  readonly unique: boolean
  readonly normalize: NonNullable<StorePlan['identities'][number]['normalize']>
  /** The country of phone numbers without a country code; empty for other namespaces. */
  readonly defaultCountry: string
  /** Values in lower case that stand for nobody. */
  readonly placeholders: readonly string[]
  /** Normalised values that stand for nobody because too many people have them. */
  readonly shared: readonly string[]
}

type Remembered = Pick<DataManifest, 'normalizesByNamespace' | 'sharedIdentities'>

/** The store's identity rules in order of priority: the primary namespace first, then as the store lists them. */
export function identityRulesOf(store: StorePlan, data: Remembered): readonly IdentityRule[] {
  return store.identities
    .map(({ namespace, path, primary, unique = false, normalize, defaultCountry = '', placeholders }) => ({
      namespace,
      path,
      primary,
      unique,
      normalize: normalize ?? (data.normalizesByNamespace ? normalizationOf(namespace) : 'None'),
      defaultCountry,
      placeholders: (placeholders ?? (data.normalizesByNamespace ? usualPlaceholders : [])).map(inLowerCase),
      shared: data.sharedIdentities?.[namespace] ?? [],
    }))
    .sort((a, b) => Number(b.primary) - Number(a.primary))
}

/** How a namespace's values are normalised where the store does not say. */
export function normalizationOf(namespace: string): 'Email' | 'None' {
  return namespace.toLowerCase() === 'email' ? 'Email' : 'None'
}

/** Namespaces that are compared as written because the store's data began before normalising; a store that begins today normalises them. */
export function comparedAsWritten(store: StorePlan, data: Remembered): readonly string[] {
  if (data.normalizesByNamespace) return []
  return store.identities
    .filter(({ namespace, normalize }) => normalize === undefined && normalizationOf(namespace) !== 'None')
    .map(({ namespace }) => namespace)
}

/** Whether values are compared as written, and every one stands for somebody. */
export function isPlain({ normalize, placeholders, unique }: IdentityRule): boolean {
  return normalize === 'None' && placeholders.length === 0 && !unique
}

/** SQL for an identity as it is compared; NULL where there is none, or where it stands for nobody. */
export function identitySql(rule: IdentityRule, value: string): string {
  return somebodySql(rule, comparedSql(rule, value))
}

/** SQL for the form in which a value of any type is compared. Select it before `somebodySql`, which uses it more than once. */
export function comparedSql({ normalize, defaultCountry }: IdentityRule, value: string): string {
  const text = `(${value}::VARCHAR)`
  if (normalize === 'None') return text
  if (normalize === 'Trim') return trimmedSql(text)
  if (normalize === 'Email') return `lower(${trimmedSql(text)})`
  // A text that is no phone number still identifies somebody, as long as it is exactly the same.
  return `coalesce(${phoneSql(trimmedSql(text), defaultCountry)}, ${trimmedSql(text)})`
}

/** SQL for a compared value; NULL where it stands for nobody. */
export function somebodySql({ normalize, placeholders, shared }: IdentityRule, compared: string): string {
  const inLowerCase = normalize === 'Email' ? compared : `lower(${compared})`
  const nobody = [
    placeholders.length > 0 && `${inLowerCase} IN (${placeholders.map(literal).join(', ')})`,
    shared.length > 0 && `${compared} IN (${shared.map(literal).join(', ')})`,
  ].filter((part) => part !== false)
  return nobody.length === 0 ? compared : `CASE WHEN ${nobody.join(' OR ')} THEN NULL ELSE ${compared} END`
}

/** White space of all sorts, and invisible characters that exported cells end with. */
const spaces = literal(
  ' \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff',
)

/** SQL for a text without white space around it; NULL where nothing is left. Most texts have none, which is ten times faster to see. */
export function trimmedSql(text: string): string {
  const isVisible = (character: string) => `${text}[${character}] > ' ' AND ${text}[${character}] <= '~'`
  return `CASE WHEN ${isVisible('1')} AND ${isVisible('-1')} THEN ${text} ELSE nullif(trim(${text}, ${spaces}), '') END`
}

/** `namespace:value` of a compared identity, a node in the graph of identities; NULL where there is none. */
export function nodeSql(rule: IdentityRule, compared: string): string {
  return `${literal(`${rule.namespace}:`)} || ${somebodySql(rule, compared)}`
}

/** The id of a profile whose identity is stitched to no other; NULL where there is no identity. */
export function ownProfileSql(rule: IdentityRule, compared: string): string {
  return rule.primary ? somebodySql(rule, compared) : nodeSql(rule, compared)
}

function inLowerCase(text: string): string {
  return text.toLowerCase()
}

/** What exports write for nobody, in lower case. */
const usualPlaceholders: readonly string[] = [
  ...[
    '',
    '-',
    '--',
    '.',
    '?',
    '#n/a',
    'n/a',
    'na',
    'nan',
    'nil',
    'none',
    'null',
    '(null)',
    '<null>',
    '\\n',
    'undefined',
  ],
  ...['unknown', 'guest', 'anonymous', 'anon', 'nobody', 'empty', 'not set', '(not set)', 'not-specified', 'user_null'],
  ...Array.from({ length: 16 }, (_, zeros) => '0'.repeat(zeros + 1)),
  '00000000-0000-0000-0000-000000000000',
  ...['none', 'null', 'no', 'noemail', 'no-email', 'unknown', 'guest', 'test', 'na'].flatMap((name) => [
    `${name}@${name}.com`,
    `${name}@example.com`,
  ]),
  ...['test@test.test', 'noemail@noemail', 'none@none', 'no@email.com', 'email@email.com', 'noreply@noreply.com'],
]
