import { isRecord } from '#crds'
import { readDatum } from '../pql/interpret.ts'
import type { Path } from '../resource.ts'
import { dataTypeOf, describe, type ObjectType, type Type } from '../schema.ts'
import { alternatives, nearest } from '../suggest.ts'

/** A value, written by hand, that has no place in the union schema. Absent severity: an error. */
export type Misfit = {
  readonly code: 'wrong-type' | 'unknown-attribute' | 'invalid-value'
  readonly path: Path
  readonly on: 'key' | 'value'
  readonly message: string
  readonly help: string
  readonly severity?: 'warning'
}

/** Every part of a value that does not fit its type, at the smallest place; absent values always fit. */
export function misfitsOf(value: unknown, type: Type, path: Path = []): Misfit[] {
  if (value === null || value === undefined) return []
  const wrong = (help: string): Misfit[] => [
    {
      code: 'wrong-type',
      path,
      on: 'value',
      message: `${nameOf(path)} is ${describe(type)}, here it is ${actual(value)}`,
      help,
    },
  ]
  switch (type.kind) {
    case 'array':
      return Array.isArray(value)
        ? value.flatMap((item, index) => misfitsOf(item, type.items, [...path, index]))
        : wrong('Write a list: `[…]`.')
    case 'map':
      return isRecord(value)
        ? Object.entries(value).flatMap(([key, item]) => misfitsOf(item, type.values, [...path, key]))
        : wrong('Write keys and values: `{key: value}`.')
    case 'object':
      return isRecord(value)
        ? Object.entries(value).flatMap(([key, item]) => {
            const field = type.fields.get(key)
            return field ? misfitsOf(item, field, [...path, key]) : [unknown(key, type, path)]
          })
        : wrong(`Write its fields: ${alternatives([...type.fields.keys()].slice(0, 5))}.`)
    case 'string':
      if (typeof value !== 'string') return wrong('Put the value in quotes.')
      if (type.values === null || type.values.includes(value)) return []
      return [
        {
          code: 'invalid-value',
          path,
          on: 'value',
          message: `\`${value}\` is not a value of ${nameOf(path)}`,
          help: `The schema's values are ${alternatives(type.values.slice(0, 12))}.`,
          severity: 'warning',
        },
      ]
    default:
      return readDatum(value, dataTypeOf(type)) === null ? wrong(`Write ${likes[type.kind]}.`) : []
  }
}

const likes = {
  integer: 'a whole number',
  number: 'a number',
  boolean: '`true` or `false`',
  date: 'it like "2026-01-15"',
  timestamp: 'it like "2026-01-15T10:30:00Z"',
} as const

function unknown(key: string, type: ObjectType, path: Path): Misfit {
  const near = nearest(key, type.fields.keys())
  return {
    code: 'unknown-attribute',
    path: [...path, key],
    on: 'key',
    message: `${path.length === 0 ? 'The schema' : nameOf(path)} has no attribute \`${key}\``,
    help:
      near.length > 0
        ? `Did you mean ${alternatives(near)}?`
        : type.fields.size > 0
          ? `There ${type.fields.size === 1 ? 'is' : 'are'} ${alternatives([...type.fields.keys()].slice(0, 12))}.`
          : 'Remove it.',
  }
}

function nameOf(path: Path): string {
  const last = path.at(-1)
  return typeof last === 'number' ? `\`${String(path.at(-2))}[${last}]\`` : last === undefined ? 'It' : `\`${last}\``
}

function actual(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return `the text "${value.length > 40 ? `${value.slice(0, 39)}…` : value}"`
  return typeof value === 'object' ? 'a map' : `\`${String(value)}\``
}
