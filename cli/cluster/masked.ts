// What may leave the house in a support bundle: nothing that says who anybody is, and nothing that opens a door.
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

/** A text of a log or a message. */
export function maskedText(text: string): string {
  return patterns.reduce((masked, [pattern, by]) => masked.replaceAll(pattern, by), text)
}

/** Texts of an expression are values of people's data: how long they are is kept. */
export function maskedExpression(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"?/g, (literal) => `"${'·'.repeat(Math.max(0, literal.length - 2))}"`)
}

/** Texts that are copies of what stands elsewhere, or nobody's concern. */
const leftOut: ReadonlySet<string> = new Set(['managedFields', 'kubectl.kubernetes.io/last-applied-configuration'])
/** Fields of resources that hold an expression. */
const expressions: ReadonlySet<string> = new Set(['expression', 'acceptedExpression'])
/** Fields of objects of Kubernetes that hold contents. */
const contents: ReadonlySet<string> = new Set(['data', 'binaryData', 'stringData'])

/** An object of the API server. Of Pods only the names of environment variables are kept, of annotations of others only the names. */
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
