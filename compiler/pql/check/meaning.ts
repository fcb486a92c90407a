import type { DataType } from '#crds'
import { dataTypeOf, describe, type ObjectType, type Type } from '../../schema.ts'
import type { Condition, Value } from '../ir.ts'
import type { Moment } from './moment.ts'

/** What an expression stands for; null: it is faulty and reported, and nothing that uses it is reported again. */
export type Meaning =
  | ({ readonly kind: 'value' } & Typed)
  | ({ readonly kind: 'record' } & RecordMeaning)
  | { readonly kind: 'condition'; readonly condition: Condition }
  | { readonly kind: 'moment'; readonly moment: Moment }
  | null

export type Typed = { readonly value: Value; readonly type: Type }

/** An object whose fields are read; it has no value of its own among the profile's columns. */
export type RecordMeaning = { readonly base: Base; readonly type: ObjectType }

/** Where an object's fields are read from: the profile's columns, or a value that holds the object. */
export type Base =
  | { readonly kind: 'profile'; readonly prefix: string }
  | { readonly kind: 'object'; readonly value: Value; readonly path: readonly string[] }

/** An array, and the type of its items. */
export type List = { readonly value: Value; readonly items: Type }

/** What names stand for at one place in the expression. */
export type Scope = {
  readonly variables: ReadonlyMap<string, Meaning>
  /** The items that names are read from in `[…]`, WHAT(…) and method arguments; the innermost comes last. */
  readonly elements: readonly Element[]
  /** How many variables are bound around the place; they are numbered from 1. */
  readonly depth: number
}

/** An item of a list. `singular` is its name by the array's: `order` for an item of `orders`; null: it has none. */
export type Element = {
  readonly meaning: Meaning
  readonly type: Type
  readonly singular: string | null
  /** Whether names that the item does not have are read from the profile, as in WHERE of a CHAIN. */
  readonly isOpen?: boolean
}

export function withVariable(scope: Scope, name: string, meaning: Meaning, depth = scope.depth): Scope {
  return { ...scope, variables: new Map([...scope.variables, [name, meaning]]), depth }
}

// ---- types

export const number: Type = { kind: 'number' }
export const integer: Type = { kind: 'integer' }
export const text: Type = { kind: 'string', values: null }
export const boolean: Type = { kind: 'boolean' }
export const timestamp: Type = { kind: 'timestamp' }
export const date: Type = { kind: 'date' }

export function isNumeric(type: Type): boolean {
  return type.kind === 'integer' || type.kind === 'number'
}

export type Class = 'text' | 'number' | 'boolean' | 'instant'

/** The class of a type: values of the same class can be compared. null: values that cannot be compared at all. */
export function classOf(type: Type): Class | null {
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
    case 'array':
    case 'map':
    case 'object':
      return null
  }
}

/** The meaning in words, for a sentence: `text`, `an object`, `a condition`, `a time`. */
export function describeMeaning(meaning: NonNullable<Meaning>): string {
  switch (meaning.kind) {
    case 'value':
    case 'record':
      return describe(meaning.type)
    case 'condition':
      return 'a condition'
    case 'moment':
      return 'a time'
  }
}

// ---- values

export function valueMeaning(value: Value, type: Type): Meaning {
  return { kind: 'value', value, type }
}

export function conditionMeaning(condition: Condition | null): Meaning {
  return condition && { kind: 'condition', condition }
}

export function listMeaning(value: Value, items: Type): Meaning {
  return { kind: 'value', value, type: { kind: 'array', items } }
}

/** The meaning of a value of any type: the fields of an object can be read. */
export function meaningOf(value: Value, type: Type): Meaning {
  return type.kind === 'object'
    ? { kind: 'record', base: { kind: 'object', value, path: [] }, type }
    : { kind: 'value', value, type }
}

/** A field of a record that has it. */
export function fieldOf({ base }: RecordMeaning, name: string, type: Type): Meaning {
  if (type.kind !== 'object') return valueMeaning(leaf(base, [name], dataTypeOf(type)), type)
  return {
    kind: 'record',
    type,
    base:
      base.kind === 'profile'
        ? { kind: 'profile', prefix: `${base.prefix}${name}.` }
        : { ...base, path: [...base.path, name] },
  }
}

/** A leaf inside a record, by its path from there. */
export function leaf(base: Base, path: readonly string[], type: DataType): Value {
  const written = base.kind === 'object' ? writtenField(base.value, [...base.path, ...path]) : null
  if (written) return written
  return base.kind === 'profile'
    ? { kind: 'column', path: base.prefix + path.join('.'), type }
    : { kind: 'member', object: base.value, path: [...base.path, ...path], type }
}

/** The value of a field of an object that is written out; null for any other object. */
function writtenField(object: Value, path: readonly string[]): Value | null {
  let at: Value | undefined = object
  for (const name of path)
    at = at?.kind === 'record' ? at.fields.find((field) => field.name === name)?.value : undefined
  return at ?? null
}

/** A list made item by item; arrays in arrays are joined. */
export function flattened(list: Value, items: Type): Meaning {
  return items.kind === 'array'
    ? valueMeaning({ kind: 'flatten', list, type: dataTypeOf(items) }, items)
    : listMeaning(list, items)
}

export function variableOf(id: number, type: Type): Value {
  return { kind: 'variable', id, type: dataTypeOf(type) }
}

export function truth(condition: Condition): Typed {
  return { value: { kind: 'truth', condition, type: 'boolean' }, type: boolean }
}

export const always: Condition = { kind: 'constant', value: true }

/** All conditions joined by `and`; those that always hold are left out. */
export function allOf(conditions: readonly Condition[]): Condition {
  const parts = conditions.filter((part) => part.kind !== 'constant' || !part.value)
  return parts.length === 0 ? always : parts.length === 1 ? parts[0]! : { kind: 'and', items: parts }
}

// ---- literals

export type Literal = Extract<Value, { kind: 'literal' }>

export function isLiteral(value: Value): value is Literal {
  return value.kind === 'literal'
}

export function literalMeaning(value: string | number | boolean): Meaning {
  if (typeof value === 'number')
    return valueMeaning(numberLiteral(value), Number.isSafeInteger(value) ? integer : number)
  return typeof value === 'string'
    ? valueMeaning({ kind: 'literal', value, type: 'string' }, text)
    : valueMeaning({ kind: 'literal', value, type: 'boolean' }, boolean)
}

export function numberLiteral(value: number): Value {
  return { kind: 'literal', value, type: Number.isSafeInteger(value) ? 'integer' : 'number' }
}
