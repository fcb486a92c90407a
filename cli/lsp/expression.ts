import { functions, type ObjectType, type Token, type Type, tokenize, type UnionTypes } from '#compiler'

/** What can stand at a place in an expression: what is before the cursor, and what names mean there. */
export type ExpressionPlace =
  | { readonly kind: 'segment'; readonly name: string }
  /** A text that is compared with a field. */
  | { readonly kind: 'text'; readonly field: Type | null }
  /** A name, with the names before it in the chain: `loyalty`, `tier`. `owner` is null at the beginning of a chain. */
  | { readonly kind: 'name'; readonly chain: readonly string[]; readonly owner: Type | null; readonly scope: Scope }

export type Scope = {
  /** Fields that a bare name can mean. */
  readonly fields: ReadonlyMap<string, Type>
  readonly variables: ReadonlyMap<string, Type>
}

/**
 * Reads an expression up to the end of the word at the cursor. Expressions are mostly half-written here, so this goes by tokens: open
 * brackets, and the chains of names before them.
 */
export function expressionPlace(text: string, offset: number, types: UnionTypes | null): ExpressionPlace | null {
  const tokens = tokenize(text, () => {}).filter((token) => token.kind !== 'end')
  const open = tokens.findIndex(
    (token) => token.kind === 'string' && token.start < offset && (offset < token.end || isUnclosed(text, token)),
  )
  if (open !== -1) return stringPlace(tokens, open, types)
  const word = tokens.find((token) => token.kind === 'name' && token.start <= offset && offset <= token.end)
  const before = tokens.filter((token) => (word ? token.start < word.start : token.end <= offset))
  const scope = scopeAfter(before, types)
  const last = before.at(-1)
  if (last?.kind === 'punctuation' && last.text === '.') {
    const owner = chainBefore(before, before.length - 2)
    return {
      kind: 'name',
      chain: [...(owner ?? []), word?.text ?? ''],
      owner: owner && typeOfChain(owner, scope),
      scope,
    }
  }
  if (last?.kind === 'number' && last.end === offset && !word) return null
  return { kind: 'name', chain: [word?.text ?? ''], owner: null, scope }
}

/** Fields that can follow behind a dot; an array has those of its items. */
export function fieldsOf(type: Type | null): ReadonlyMap<string, Type> {
  if (type?.kind === 'object') return type.fields
  return type?.kind === 'array' ? fieldsOf(type.items) : new Map()
}

export function typeOfChain(names: readonly string[], scope: Scope): Type | null {
  const [first, ...rest] = names
  if (first === undefined) return null
  let type = scope.variables.get(first) ?? scope.fields.get(first) ?? null
  for (const name of rest) type = fieldsOf(type).get(name) ?? null
  return type
}

function isUnclosed(text: string, token: Token): boolean {
  return token.end === text.length && (token.end - token.start < 2 || text[token.end - 1] !== '"')
}

function stringPlace(tokens: readonly Token[], at: number, types: UnionTypes | null): ExpressionPlace {
  // Goes back over a list of texts: `["a", "b`, `("a", "b`.
  let start = at
  while (tokens[start - 1]?.text === ',' && tokens[start - 2]?.kind === 'string') start -= 2
  const opening = tokens[start - 1]
  if (opening?.text === '(' && tokens[start - 2]?.text === 'inSegment')
    return { kind: 'segment', name: tokens[at]!.text }
  const operator = opening?.text === '[' ? start - 2 : start - 1
  const compares = ['=', '!=', 'in', 'notIn'].includes(tokens[operator]?.text ?? '')
  const chain = compares ? chainBefore(tokens, operator - 1) : null
  const scope = scopeAfter(tokens.slice(0, Math.max(0, operator)), types)
  return { kind: 'text', field: chain && typeOfChain(chain, scope) }
}

/** The chain of names that ends at a token; filters in it are skipped, and so are methods that keep the array. null: no chain. */
function chainBefore(tokens: readonly Token[], end: number): readonly string[] | null {
  const names: string[] = []
  let at = end
  for (;;) {
    const token = tokens[at]
    if (!token) return null
    if (token.text === ']' || token.text === ')') {
      const opening = openingOf(tokens, at)
      if (opening === -1) return null
      at = opening - 1
      if (token.text === ')') {
        if (!keepsArray.has(tokens[at]?.text ?? '') || tokens[at - 1]?.text !== '.') return null
        at -= 2
      }
      continue
    }
    if (token.kind !== 'name') return null
    names.unshift(token.text)
    if (tokens[at - 1]?.text !== '.') return names
    at -= 2
  }
}

const keepsArray: ReadonlySet<string> = new Set(['filter', 'distinct', 'topN', 'bottomN'])

function openingOf(tokens: readonly Token[], closing: number): number {
  let depth = 0
  for (let at = closing; at >= 0; at -= 1) {
    if (tokens[at]!.kind !== 'punctuation') continue
    if (')]}'.includes(tokens[at]!.text)) depth += 1
    if ('([{'.includes(tokens[at]!.text) && (depth -= 1) === 0) return at
  }
  return -1
}

function scopeAfter(tokens: readonly Token[], types: UnionTypes | null): Scope {
  const profile = new Map(types?.profile.fields ?? [])
  if (types?.event) profile.set('xEvent', { kind: 'array', items: types.event })
  const variables = new Map<string, Type>()
  const elements: (ObjectType | null)[] = []
  const scope = (): Scope => {
    const inner = elements.findLast((element) => element !== null)
    return { fields: inner?.fields ?? profile, variables }
  }
  for (const [index, token] of tokens.entries()) {
    const previous = tokens[index - 1]
    if (token.kind === 'name' && token.text === 'from' && previous?.kind === 'name') {
      const array = typeOfChain(chainAfter(tokens, index + 1), scope())
      if (array?.kind === 'array') variables.set(previous.text, array.items)
    }
    if (token.kind !== 'punctuation') continue
    if (token.text === '(' || token.text === '[' || token.text === '{')
      elements.push(elementIn(tokens, index, scope(), types))
    if (token.text === ')' || token.text === ']' || token.text === '}') elements.pop()
  }
  return scope()
}

function chainAfter(tokens: readonly Token[], start: number): string[] {
  const names: string[] = []
  for (let at = start; tokens[at]?.kind === 'name'; at += 2) {
    names.push(tokens[at]!.text)
    if (tokens[at + 1]?.text !== '.') break
  }
  return names
}

/** What bare names mean inside a bracket: fields of items in a filter or a method's condition, fields of events in a CHAIN. */
function elementIn(
  tokens: readonly Token[],
  opening: number,
  scope: Scope,
  types: UnionTypes | null,
): ObjectType | null {
  const isCall = tokens[opening]!.text === '('
  if (isCall && tokens[opening - 1]?.text === 'CHAIN') return types?.event ?? null
  if (isCall && (tokens[opening - 2]?.text !== '.' || !isMethod(tokens[opening - 1]?.text ?? ''))) return null
  if (tokens[opening]!.text === '{') return null
  const chain = chainBefore(tokens, isCall ? opening - 3 : opening - 1)
  const type = chain && typeOfChain(chain, scope)
  return type?.kind === 'array' && type.items.kind === 'object' ? type.items : null
}

export function isMethod(name: string): boolean {
  return Object.entries(functions).some(([known, { form }]) => known === name && form === 'method')
}
