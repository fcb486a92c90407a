import { dataTypeOf, type Type } from '../../schema.ts'
import type { Expr } from '../ast.ts'
import type { Value } from '../ir.ts'
import { type MethodCall, type MethodHandler, takes } from './arguments.ts'
import { type Checking, mismatch } from './context.ts'
import {
  flattened,
  listMeaning,
  type Meaning,
  meaningOf,
  type Scope,
  text,
  valueMeaning,
  variableOf,
  withVariable,
} from './meaning.ts'
import { textIn, valueIn } from './operand.ts'

/** A map, and the type of its values. */
type MapValue = { readonly value: Value; readonly values: Type }

export const get: MethodHandler = (checking, call, scope) => {
  const args = takes(checking, call, 1)
  if (!args) return null
  const map = receivedMap(checking, call, scope)
  const key = textIn(checking, args[0], scope, '`get`')
  return map && key && meaningOf({ kind: 'get', map: map.value, key, type: dataTypeOf(map.values) }, map.values)
}

export const keys: MethodHandler = (checking, call, scope) => {
  const map = takes(checking, call, 0) && receivedMap(checking, call, scope)
  return map && listMeaning({ kind: 'keys', map: map.value, type: { items: 'string' } }, text)
}

export const values: MethodHandler = (checking, call, scope) => {
  const map = takes(checking, call, 0) && receivedMap(checking, call, scope)
  return map && flattened({ kind: 'values', map: map.value, type: { items: dataTypeOf(map.values) } }, map.values)
}

function receivedMap(checking: Checking, { receiver, name }: MethodCall, scope: Scope): MapValue | null {
  const meaning = checking.meaning(receiver, scope)
  if (meaning === null) return null
  if (meaning.kind === 'value' && meaning.type.kind === 'map')
    return { value: meaning.value, values: meaning.type.values }
  return mismatch(
    checking,
    receiver.span,
    `\`${name}\` needs a map`,
    'Maps are fields with `additionalProperties`, and what `groupBy` gives.',
  )
}

/** `map.map((K, V) => mapEntry(K, V.count()))`: a map with new keys and values. */
export function mapEntries(checking: Checking, { value: map, values }: MapValue, lambda: Expr, scope: Scope): Meaning {
  const help = 'Write `map.map((K, V) => mapEntry(K, …))`.'
  const [keyName, valueName, ...others] = lambda.kind === 'lambda' ? lambda.parameters : []
  if (lambda.kind !== 'lambda' || !keyName || !valueName || others.length > 0)
    return mismatch(checking, lambda.span, '`map` on a map takes a lambda of key and value', help)
  const body = lambda.body.kind === 'group' ? lambda.body.inner : lambda.body
  const [keyExpr, valueExpr, ...more] = body.kind === 'call' && body.name === 'mapEntry' ? body.args : []
  if (body.kind !== 'call' || body.receiver !== null || !keyExpr || !valueExpr || more.length > 0)
    return mismatch(checking, body.span, 'The lambda gives a `mapEntry`', help)
  const [keyVariable, valueVariable] = [scope.depth + 1, scope.depth + 2]
  const withKey = withVariable(scope, keyName.name, valueMeaning(variableOf(keyVariable, text), text))
  const inner = withVariable(
    withKey,
    valueName.name,
    meaningOf(variableOf(valueVariable, values), values),
    valueVariable,
  )
  const key = textIn(checking, keyExpr, inner, '`mapEntry`')
  const value = valueIn(checking, valueExpr, inner)
  if (!key || !value) return null
  const type: Type = { kind: 'map', values: value.type }
  return valueMeaning(
    { kind: 'mapEntries', map, keyVariable, valueVariable, key, value: value.value, type: dataTypeOf(type) },
    type,
  )
}
