// What a support bundle may contain: nothing that identifies a person, and no credentials.
import { isRecord } from '#crds'

const patterns: readonly (readonly [pattern: RegExp, by: string])[] = [
  [/-----BEGIN [A-Z ]+-----[\s\S]*?(?:-----END [A-Z ]+-----|$)/g, '(PEM)'],
  [/\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g, '(token)'],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b/g, '(key)'],
  [/\b(Bearer|Basic) [\w+/=.~-]{8,}/gi, '$1 (token)'],
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, '$1(account)@'],
  [
    /\b([\w-]*(?:password|passwd|secret|token|api_?key|sig|signature|credential)[\w-]*)(\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&"']+)/gi,
    '$1$2(secret)',
  ],
  [/[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/gu, '(e-mail)'],
  [/(?<![\w.+])\+\d[\d ()/.-]{6,}\d\b/g, '(phone)'],
  [/\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g, '(IBAN)'],
]

/** The text of a log or a message, masked. */
export function maskedText(text: string): string {
  return patterns.reduce((masked, [pattern, by]) => masked.replaceAll(pattern, by), text)
}

/** An expression with its texts masked, since they are values of people's data; their lengths stay. */
export function maskedExpression(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"?/g, (literal) => `"${'·'.repeat(Math.max(0, literal.length - 2))}"`)
}

/** Fields that are copies of others, or that nobody needs. */
const leftOut: ReadonlySet<string> = new Set(['managedFields', 'kubectl.kubernetes.io/last-applied-configuration'])
/** Fields of resources that hold an expression. */
const expressions: ReadonlySet<string> = new Set(['expression', 'acceptedExpression'])
/** Fields of Kubernetes objects that hold contents. */
const contents: ReadonlySet<string> = new Set(['data', 'binaryData', 'stringData'])

/** An object of the API server, masked. Environment variables of Pods, and annotations of others, keep only their names. */
export function maskedObject(value: unknown, path: readonly string[] = []): unknown {
  if (typeof value === 'string') return maskedText(value)
  if (Array.isArray(value)) return value.map((item) => maskedObject(item, path))
  if (!isRecord(value)) return value
  const key = path.at(-1)
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]): [string, unknown][] => {
      if (leftOut.has(name)) return []
      if (typeof item === 'string' && expressions.has(name)) return [[name, maskedExpression(item)]]
      if (path.length === 0 && contents.has(name) && isRecord(item)) return [[name, Object.keys(item)]]
      if (key === 'env' && name === 'value') return [[name, '(left out)']]
      if (key === 'annotations' && !/(?:^|\.)convoke\.dev\//.test(name)) return [[name, '(left out)']]
      return [[name, maskedObject(item, [...path, name])]]
    }),
  )
}
