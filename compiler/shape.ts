import { type DocumentKind, type Fault, isRecord, type JsonSchema, schemaOf, validatorOf } from '#crds'
import type { Code } from './codes.ts'
import type { Path } from './resource.ts'
import { alternatives, nearest } from './suggest.ts'

export type ShapeFault = {
  readonly code: Extract<Code, 'unknown-field' | 'missing-field' | 'wrong-type' | 'invalid-value'>
  readonly path: Path
  readonly on: 'key' | 'value'
  readonly message: string
  readonly help: string
  /** The key that was evidently meant. */
  readonly rename?: string
  /** The value that was evidently meant. */
  readonly value?: string
}

export type Shape = {
  readonly faults: readonly ShapeFault[]
  /** The document, with unknown fields renamed as they were evidently meant, or left out; other checks use this. */
  readonly repaired: Readonly<Record<string, unknown>>
}

/**
 * A document's faults of form, each once and at the smallest place: the validator's errors in the words of people who write YAML. A
 * misspelt field is reported as such, and not as a missing one too.
 */
export function shapeOf(kind: DocumentKind, value: Readonly<Record<string, unknown>>): Shape {
  const faultsOf = (document: unknown, errors: readonly Fault[]): ShapeFault[] =>
    errors.slice(0, mostFaults).flatMap((error) => shapeFaultOf(kind, error, document) ?? [])
  const validate = validatorOf(kind)
  const first = validate(value)
  const unknown = first.filter(isUnknownField)
  const named = faultsOf(value, unknown)
  const renames = new Map(named.map((fault) => [keyOfPath(fault.path), fault.rename]))
  const fields = new Map(unknown.map((error) => [keyOfPath(pathOfUnknown(error, value)), null]))
  const repaired = fields.size === 0 ? value : withoutFields(value, '', (key) => fields.has(key), renames)
  const others = fields.size === 0 ? first : validate(repaired)
  const seen = new Set<string>()
  const faults = [...named, ...faultsOf(repaired, others)].filter((fault) => {
    const key = `${keyOfPath(fault.path)} ${fault.code === 'missing-field' ? fault.message : ''}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
  const more = Math.max(0, unknown.length - mostFaults) + Math.max(0, others.length - mostFaults)
  const last = faults.at(-1)
  if (more > 0 && last)
    faults.push({
      code: last.code,
      path: [],
      on: 'key',
      message: `${more} more faults like these are in this resource`,
      help: 'Correct those that are listed first.',
    })
  return { faults, repaired }
}

/** How many faults of form of a resource are listed, for unknown fields and for others; the rest is counted. */
const mostFaults = 25

function isUnknownField({ keyword }: Fault): boolean {
  return keyword === 'additionalProperties' || keyword === 'unevaluatedProperties'
}

function pathOfUnknown({ instancePath, params }: Fault, root: unknown): Path {
  const field = String(params['additionalProperty'] ?? params['unevaluatedProperty'])
  return [...pathOf(instancePath, root), field]
}

/** One text for each path. */
function keyOfPath(path: Path): string {
  return path.map((part) => `\0${part}`).join('')
}

/** The value without unknown fields, or with these under the names that were meant. */
function withoutFields<T>(
  value: T,
  at: string,
  isUnknown: (key: string) => boolean,
  renames: ReadonlyMap<string, string | undefined>,
): T {
  if (Array.isArray(value)) {
    // Mapping a list gives a list.
    return value.map((item, index) => withoutFields(item, `${at}\0${index}`, isUnknown, renames)) as T
  }
  if (!isRecord(value)) return value
  const entries = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    const here = `${at}\0${key}`
    if (!isUnknown(here)) return [[key, withoutFields(item, here, isUnknown, renames)]]
    const rename = renames.get(here)
    return rename === undefined ? [] : [[rename, item]]
  })
  return Object.fromEntries(entries) as T // an object with the same or fewer fields
}

function shapeFaultOf(kind: DocumentKind, error: Fault, root: unknown): ShapeFault | null {
  const path = pathOf(error.instancePath, root)
  const name = path.length === 0 ? 'the resource' : `\`${String(path.at(-1))}\``
  const here = typeof path.at(-1) === 'number' ? `\`${String(path.at(-2))}[${String(path.at(-1))}]\`` : name
  const { params } = error
  const schema = schemaAt(kind, path)
  switch (error.keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties': {
      const field = String(params['additionalProperty'] ?? params['unevaluatedProperty'])
      const candidates = [params['known']].flat().map(String)
      const owned = at(root, path)
      const near = nearest(
        field,
        candidates.filter((candidate) => !isRecord(owned) || !Object.hasOwn(owned, candidate)),
      )
      const owner = path.length === 0 ? 'a resource' : path.length === 1 ? `\`${String(path[0])}\`` : here
      return {
        code: 'unknown-field',
        path: [...path, field],
        on: 'key',
        message: `\`${field}\` is not a field of ${owner}`,
        help:
          near.length > 0
            ? `Did you mean ${alternatives(near)}?`
            : candidates.length > 0
              ? `Its fields are ${alternatives(candidates.slice(0, 12))}.`
              : 'Remove it.',
        ...(near.length === 1 ? { rename: near[0]! } : {}),
      }
    }
    case 'dependencies':
    case 'required': {
      const field = String(params['missingProperty'])
      const what = descriptionOf(schema?.properties?.[field])
      return {
        code: 'missing-field',
        path,
        on: 'key',
        message: `\`${field}\` is missing${path.length === 0 ? '' : ` in ${here}`}`,
        help: what ? `Add \`${field}\`: ${what}` : `Add \`${field}\`.`,
      }
    }
    case 'type': {
      const wanted = [params['type']].flat().map(String)
      return {
        code: 'wrong-type',
        path,
        on: 'value',
        message: `${capital(here)} is ${wordOf(wanted[0]!)}, here it is ${actual(at(root, path))}`,
        help: wanted[0] === 'string' ? 'Put the value in quotes.' : `Write ${wordOf(wanted[0]!)}.`,
      }
    }
    case 'enum': {
      const allowed = [params['allowedValues']].flat().map(String)
      const value = at(root, path)
      const near = nearest(String(value), allowed)
      return {
        code: 'invalid-value',
        path,
        on: 'value',
        message: `\`${String(value)}\` is not a value of ${here}`,
        help: near.length > 0 ? `Did you mean ${alternatives(near)}?` : `It is ${alternatives(allowed)}.`,
        ...(near.length === 1 ? { value: near[0]! } : {}),
      }
    }
    case 'const':
      return {
        code: 'invalid-value',
        path,
        on: 'value',
        message: `${capital(here)} is \`${String(params['allowedValue'])}\``,
        help: `Write \`${String(params['allowedValue'])}\`.`,
      }
    case 'pattern':
      return {
        code: 'invalid-value',
        path,
        on: 'value',
        message: `\`${short(at(root, path))}\` is not a valid ${here}`,
        help: descriptionOf(schema) ?? `It must fit ${String(params['pattern'])}.`,
      }
    case 'maxLength':
    case 'minLength': {
      const limit = Number(params['limit'])
      return {
        code: 'invalid-value',
        path,
        on: 'value',
        message:
          error.keyword === 'minLength'
            ? `${capital(here)} is empty`
            : `${capital(here)} is longer than ${limit} characters`,
        help: error.keyword === 'minLength' ? 'Write a value, or remove the field.' : 'Shorten it.',
      }
    }
    case 'maxItems':
    case 'minItems': {
      const limit = Number(params['limit'])
      return {
        code: 'invalid-value',
        path,
        on: 'key',
        message:
          error.keyword === 'minItems'
            ? `${capital(here)} has fewer than ${limit} item${limit === 1 ? '' : 's'}`
            : `${capital(here)} has more than ${limit} items`,
        help: error.keyword === 'minItems' ? 'Add what is missing.' : 'Remove some.',
      }
    }
    case 'maximum':
    case 'minimum':
    case 'exclusiveMinimum':
    case 'exclusiveMaximum':
      return {
        code: 'invalid-value',
        path,
        on: 'value',
        message: `${capital(here)} is ${String(at(root, path))}; it must be ${String(params['comparison'])} ${String(params['limit'])}`,
        help: 'Write a number within the bounds.',
      }
    case 'maxProperties':
    case 'minProperties':
      return {
        code: 'invalid-value',
        path,
        on: 'key',
        message:
          error.keyword === 'minProperties'
            ? `${capital(here)} says ${params['limit'] === 1 ? 'nothing' : 'too little'}`
            : `${capital(here)} has more than ${String(params['limit'])} entries`,
        help:
          error.keyword === 'minProperties'
            ? `It takes ${alternatives(Object.keys(schema?.properties ?? {}))}.`
            : 'Remove some.',
      }
    case 'propertyNames':
      return {
        code: 'invalid-value',
        path: [...path, String(params['propertyName'])],
        on: 'key',
        message: `\`${String(params['propertyName'])}\` cannot be a key of ${here}`,
        help: 'Use a shorter or simpler key.',
      }
    case 'oneOf': {
      const of = [params['of']].flat().map(String)
      const found = [params['found']].flat().map(String)
      const where = path.at(-1) === 'spec' ? `A ${kind}` : capital(here)
      if (found.length < 2)
        return {
          code: 'missing-field',
          path,
          on: 'key',
          message: `${where} needs ${of.length === 2 ? 'either' : 'one of'} ${alternatives(of)}`,
          help: 'Add one of them.',
        }
      return {
        code: 'invalid-value',
        path: [...path, found[1]!],
        on: 'key',
        message: `${where} takes only one of ${alternatives(of)}`,
        help: `Remove \`${found[0]}\` or \`${found[1]}\`.`,
      }
    }
    case 'contains': {
      // The only list with such a rule is a ProfileStore's identities.
      const items = at(root, path)
      const primary = Array.isArray(items)
        ? items.flatMap((item, index) => (isRecord(item) && item['primary'] === true ? [index] : []))
        : []
      if (primary.length === 0)
        return {
          code: 'missing-field',
          path,
          on: 'key',
          message: 'No identity is primary',
          help: 'Add `primary: true` to the one that every profile has.',
        }
      return {
        code: 'invalid-value',
        path: [...path, primary[1]!, 'primary'],
        on: 'value',
        message: `Only one identity is primary, here are ${primary.length}`,
        help: 'Keep `primary: true` at the one that every profile has.',
      }
    }
    case 'format':
      return {
        code: 'invalid-value',
        path,
        on: 'value',
        message: `\`${short(at(root, path))}\` is not a point in time`,
        help: 'Write it like "2026-12-01T04:00:00Z".',
      }
    // The parts of a composition report their own errors.
    case 'anyOf':
    case 'allOf':
    case 'not':
    case 'if':
      return null
    default:
      return {
        code: 'invalid-value',
        path,
        on: 'value',
        message: `${capital(here)} is not valid: ${error.message ?? error.keyword}`,
        help: 'Correct it.',
      }
  }
}

function schemaAt(kind: DocumentKind, path: Path): JsonSchema | null {
  let schema: JsonSchema | undefined = schemaOf(kind)
  for (const part of path) {
    const next: JsonSchema | undefined = typeof part === 'number' ? schema.items : schema.properties?.[part]
    const additional: JsonSchema | boolean | undefined = schema.additionalProperties
    schema = next ?? (typeof additional === 'object' ? additional : undefined)
    if (!schema) return null
  }
  return schema
}

function descriptionOf(schema: JsonSchema | null | undefined): string | null {
  const description = schema?.['description']
  return typeof description === 'string' ? description : null
}

function pathOf(pointer: string, root: unknown): (string | number)[] {
  const path: (string | number)[] = []
  let current = root
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    const step = Array.isArray(current) ? Number(name) : name
    path.push(step)
    current = at(current, [step])
  }
  return path
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (current, part) =>
      typeof current === 'object' && current !== null ? (current as Record<string | number, unknown>)[part] : undefined,
    value,
  )
}

function wordOf(type: string): string {
  return (
    {
      string: 'text',
      integer: 'a whole number',
      number: 'a number',
      boolean: 'true or false',
      array: 'a list',
      object: 'a map',
      null: 'nothing',
    }[type] ?? type
  )
}

function actual(value: unknown): string {
  if (value === null || value === undefined) return 'empty'
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return `the text "${short(value)}"`
    case 'object':
      return 'a map'
    default:
      return `\`${String(value)}\``
  }
}

function short(value: unknown): string {
  const text = String(value)
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}

function capital(sentence: string): string {
  return sentence.startsWith('`') ? sentence : sentence[0]!.toUpperCase() + sentence.slice(1)
}
