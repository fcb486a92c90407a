import type { ObjectType, Type } from '../schema.ts'
import type { Condition, Value } from './ir.ts'
import type { Moment } from './moment.ts'

/** Where a record's fields are read from: the profile's columns, or an object held in a value. */
export type Base =
  | { readonly kind: 'profile'; readonly prefix: string }
  | { readonly kind: 'object'; readonly value: Value; readonly path: readonly string[] }

/** What an expression stands for; null = faulty, already reported (poison: nothing that uses it is reported again). */
export type Meaning =
  | { readonly kind: 'value'; readonly value: Value; readonly type: Type }
  | { readonly kind: 'record'; readonly base: Base; readonly type: ObjectType }
  | { readonly kind: 'condition'; readonly condition: Condition }
  | { readonly kind: 'moment'; readonly moment: Moment }
  | null

export type Element = { readonly meaning: Meaning; readonly type: Type; readonly singular: string | null }

export type Scope = {
  readonly variables: ReadonlyMap<string, Meaning>
  /** Innermost last: what `[…]`, WHAT(…) and method arguments read names from. */
  readonly elements: readonly Element[]
  readonly depth: number
}

export const number: Type = { kind: 'number' }
export const integer: Type = { kind: 'integer' }
export const text: Type = { kind: 'string', values: null }
export const boolean: Type = { kind: 'boolean' }
export const timestamp: Type = { kind: 'timestamp' }
export const date: Type = { kind: 'date' }

export type BoundGenerator = {
  readonly name: string
  readonly variable: number
  readonly list: Value
  readonly items: Type
  readonly where: Condition | null
  readonly scope: Scope
}

export function truth(condition: Condition): { value: Value; type: Type } {
  return { value: { kind: 'truth', condition, type: 'boolean' }, type: boolean }
}

export function literalMeaning(value: string | number | boolean): Meaning {
  if (typeof value === 'number')
    return { kind: 'value', value: numberLiteral(value), type: Number.isSafeInteger(value) ? integer : number }
  return typeof value === 'string'
    ? { kind: 'value', value: { kind: 'literal', value, type: 'string' }, type: text }
    : { kind: 'value', value: { kind: 'literal', value, type: 'boolean' }, type: boolean }
}

export function numberLiteral(value: number): Value {
  return { kind: 'literal', value, type: Number.isSafeInteger(value) ? 'integer' : 'number' }
}

export function isLiteral(value: Value): value is Extract<Value, { kind: 'literal' }> {
  return value.kind === 'literal'
}

export function isNumeric(type: Type): boolean {
  return type.kind === 'integer' || type.kind === 'number'
}

export function classOf(type: Type): 'text' | 'number' | 'boolean' | 'instant' | null {
  switch (type.kind) {
    case 'string':
      return 'text'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'date':
    case 'timestamp':
      return 'instant'
    default:
      return null
  }
}
