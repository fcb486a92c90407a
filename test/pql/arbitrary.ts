// Worlds for the differential tests: a union schema, people with events, and well-typed expressions over them, as PQL text.
import fc from 'fast-check'
import { type ObjectType, objectType, type Type, type UnionTypes } from '../../compiler/schema.ts'
import { type TestPerson, typesOf } from '../support/pql.ts'

export type World = {
  readonly schema: { readonly profile: unknown; readonly event: unknown }
  readonly types: UnionTypes
  readonly now: string
  readonly people: readonly TestPerson[]
  /** The expression at index i may refer to the Segments `s0` to `s<i-1>`. */
  readonly expressions: readonly string[]
}

/** A world drawn from a list of numbers: shorter and smaller lists give simpler worlds, so fast-check shrinks them. */
export function worlds(size: { readonly people: number; readonly expressions: number }): fc.Arbitrary<World> {
  const numbers = (length: number): fc.Arbitrary<number[]> =>
    fc.noBias(fc.array(fc.nat(0xffff), { minLength: length, maxLength: length, size: 'max' }))
  return fc
    .record({
      schema: numbers(80),
      people: fc.array(numbers(120), { minLength: size.people, maxLength: size.people, size: 'max' }),
      expressions: fc.array(numbers(160), {
        minLength: Math.min(10, size.expressions),
        maxLength: size.expressions,
        size: 'max',
      }),
    })
    .map((drawn) => world(drawn))
}

function world(drawn: {
  readonly schema: readonly number[]
  readonly people: readonly number[][]
  readonly expressions: readonly number[][]
}): World {
  const choices = new Choices(drawn.schema)
  const schema = { profile: objectSchema(choices, 'profile'), event: objectSchema(choices, 'event') }
  const now = choices.pick(instants)
  const types = typesOf(schema)
  const people = drawn.people.map((numbers, index) => person(new Choices(numbers), `P${index}`, types, now))
  const expressions = drawn.expressions.map((numbers, index) =>
    new Writer(new Choices(numbers), types, now, index).expression(),
  )
  return { schema, types, now, people, expressions }
}

/** The first expression and person on which two executors differ, for a message. */
export function disagreement(world: World, wanted: readonly string[][], found: readonly string[][]): string | null {
  for (const [index, pql] of world.expressions.entries()) {
    const [left, right] = [new Set(wanted[index]), new Set(found[index])]
    const id = world.people.map((person) => person.id).find((candidate) => left.has(candidate) !== right.has(candidate))
    if (id === undefined) continue
    const person = world.people.find((candidate) => candidate.id === id)
    return `${pql}\nnow ${world.now}, interpreter says ${left.has(id)}, the engine ${right.has(id)} of\n${JSON.stringify(person)}\nschema ${JSON.stringify(world.schema)}`
  }
  return null
}

/** A list of numbers read as choices; past its end every choice is the first one. */
class Choices {
  readonly numbers: readonly number[]
  at = 0

  constructor(numbers: readonly number[]) {
    this.numbers = numbers
  }

  below(limit: number): number {
    const number = this.numbers[this.at] ?? 0
    this.at += 1
    return number % limit
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new Error('Nothing to pick from')
    return item
  }

  /** One time in `of`; never past the end. */
  once(of: number): boolean {
    return this.below(of) === of - 1
  }
}

// ---- schemas

/** Some names are words of the language. */
const names = [
  'v1',
  'i',
  's',
  'alpha',
  'beta',
  '_tenant',
  'count',
  'sum',
  'last',
  'tags',
  'entries',
  'date',
  'from2',
  'Zeta',
  'note',
  'average',
  'x',
  'kappa',
  'min',
]

function objectSchema(choices: Choices, kind: 'profile' | 'event'): unknown {
  const properties: Record<string, unknown> =
    kind === 'event' ? { timestamp: { type: 'string', format: 'date-time' }, eventType: { type: 'string' } } : {}
  // Each basic type is there at least once, so that every construct has something to read.
  const wanted: unknown[] = [
    text,
    enumeration,
    integer,
    number,
    boolean,
    date,
    timestamp,
    array(text),
    array(integer),
    array(number),
    map(number),
    array(object(choices, 1)),
    object(choices, 1),
  ]
  const optional: unknown[] = [
    map(text),
    array(date),
    array(boolean),
    map(array(integer)),
    map(object(choices, 1)),
    array(timestamp),
    map(timestamp),
    object(choices, 2),
  ]
  const chosen = [...wanted, choices.pick(optional), choices.pick(optional)]
  const offset = choices.below(names.length)
  for (const [index, schema] of chosen.entries()) properties[names[(offset + index * 5) % names.length]!] = schema
  return { type: 'object', properties }
}

const text = { type: 'string' }
const enumeration = { type: 'string', enum: ['a', 'b', 'ß'] }
const integer = { type: 'integer' }
const number = { type: 'number' }
const boolean = { type: 'boolean' }
const date = { type: 'string', format: 'date' }
const timestamp = { type: 'string', format: 'date-time' }
const array = (items: unknown): unknown => ({ type: 'array', items })
const map = (values: unknown): unknown => ({ type: 'object', additionalProperties: values })

function object(choices: Choices, depth: number): unknown {
  const scalars: unknown[] = [text, number, integer, date, timestamp, boolean]
  const properties: Record<string, unknown> = { sku: text, amount: number }
  for (let index = 0; index <= choices.below(2); index += 1)
    properties[choices.pick(['when', 'deep', 'list', 'flag'])] = choices.pick([
      ...scalars,
      array(number),
      ...(depth > 1 ? [object(choices, depth - 1)] : []),
    ])
  return { type: 'object', properties }
}

// ---- data

const texts = [
  '',
  'a',
  'b',
  'A',
  'aa',
  'ab',
  'ann',
  'Ann Bär',
  'ß',
  'SS',
  'ss',
  'İ',
  'i',
  'I',
  'ı',
  'Σίσυφος',
  'ς',
  'σ',
  'É',
  'é',
  'e\u0301',
  '😀',
  '😀a',
  '\uffff',
  '%',
  '_',
  'a%b',
  'a_b',
  'a\\b',
  '\\',
  '"',
  "'",
  "it's",
  '$now',
  '{}[]',
  'line\nend',
  'a\tb',
  ' a ',
  'true',
  '1',
  '010',
  '2024-02-29',
  'purchase',
  'view',
]
const numbers = [
  0, -0, 1, -1, 2, 3, 0.5, 0.1, 0.2, 0.3, 1.5, -1.5, 2.675, 1e-7, 0.0000005, -0.0000005, 1e6, 1e15, -1e15,
  123456.789012, 1e300, -1e300, 5e-324, 9.3e12, -9.3e12,
]
const integers = [0, 1, -1, 2, 3, 10, 12, 28, 29, 31, 1988, 2024, 9007199254740991, -9007199254740991]
const dates = [
  '2024-02-29',
  '2023-02-28',
  '2024-03-01',
  '2024-01-31',
  '2024-12-31',
  '2025-01-01',
  '2024-02-01',
  '2024-02-24',
  '2024-02-25',
  '2000-02-29',
  '1988-02-29',
  '1970-01-01',
  '1969-12-31',
  '1969-12-28',
  '1900-02-28',
  '1000-01-01',
  '0999-12-31',
  '0100-05-05',
  '0001-01-01',
  '9999-12-31',
  '2026-03-31',
  '2026-11-30',
]
const instants = [
  '2024-02-29T12:00:00Z',
  '2024-02-29T00:00:00Z',
  '2024-03-31T23:59:59.999Z',
  '2025-01-01T00:00:00.001Z',
  '2026-01-15T10:30:00Z',
  '2024-12-31T18:45:10Z',
  '2023-03-29T05:00:00Z',
  '2024-02-25T06:07:08Z',
  '2000-02-29T00:00:00Z',
]
const keys = ['a', 'b', 'ß', 'x y', '', '😀', 'key', 'K']
const minute = 60_000
const offsets = [
  0,
  1,
  -1,
  -1000,
  -minute,
  -59 * minute,
  -60 * minute,
  -61 * minute,
  -24 * 60 * minute,
  -24 * 60 * minute - 1,
  -24 * 60 * minute + 1,
  -3 * 1440 * minute,
  -7 * 1440 * minute,
  -28 * 1440 * minute,
  -29 * 1440 * minute,
  -31 * 1440 * minute,
  -365 * 1440 * minute,
  -366 * 1440 * minute,
  minute,
  60 * minute,
  1440 * minute,
  40 * 1440 * minute,
]

function person(choices: Choices, id: string, types: UnionTypes, now: string): TestPerson {
  const attributes = choices.once(30) ? {} : datum(choices, types.profile, now)
  const events: Record<string, unknown>[] = []
  const count = choices.below(7)
  for (let index = 0; index < count; index += 1) {
    const previous = events.at(-1)
    if (previous && choices.once(6)) events.push({ ...previous })
    else {
      const event = datum(choices, types.event!, now) as Record<string, unknown>
      // Half of the events happen at the same instant as the one before.
      const at = previous && choices.below(2) === 0 ? previous['timestamp'] : moment(choices, now)
      events.push({ ...event, timestamp: at, eventType: choices.pick(['purchase', 'view', 'a', null]) })
    }
  }
  return { id, attributes, events: distinctByScalars(events) }
}

/** Which of two events comes first is settled by instant and scalars; two that differ in their lists alone have no order. */
function distinctByScalars(events: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  const seen = new Map<string, string>()
  return events.filter((event) => {
    const scalars = JSON.stringify(scalarsOf(event))
    const whole = JSON.stringify(event)
    const known = seen.get(scalars)
    if (known === undefined) seen.set(scalars, whole)
    return known === undefined || known === whole
  })
}

function scalarsOf(value: unknown): unknown {
  if (Array.isArray(value)) return null
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? 0 : (value ?? null)
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, part]) => !Array.isArray(part))
      .map(([name, part]) => [name, scalarsOf(part)]),
  )
}

function moment(choices: Choices, now: string): string {
  if (choices.once(4)) return `${choices.pick(dates)}T${choices.pick(['00:00:00', '23:59:59.999', '12:30:15.250'])}Z`
  return new Date(Date.parse(now) + choices.pick(offsets)).toISOString()
}

function datum(choices: Choices, type: Type, now: string): unknown {
  if (type.kind !== 'object' && choices.once(5)) return null
  switch (type.kind) {
    case 'string':
      return type.values && choices.below(4) > 0 ? choices.pick(type.values) : choices.pick(texts)
    case 'number':
      return choices.pick(numbers)
    case 'integer':
      return choices.pick(integers)
    case 'boolean':
      return choices.below(2) === 1
    case 'date':
      return choices.pick(dates)
    case 'timestamp':
      return moment(choices, now)
    case 'array': {
      const items = Array.from({ length: choices.below(4) }, () => datum(choices, type.items, now))
      return items.length > 0 && choices.once(4) ? [...items, items[0]] : items
    }
    case 'map':
      return Object.fromEntries(
        Array.from({ length: choices.below(4) }, () => [choices.pick(keys), datum(choices, type.values, now)]),
      )
    case 'object': {
      if (choices.once(12)) return null
      return Object.fromEntries([...type.fields].map(([name, field]) => [name, datum(choices, field, now)]))
    }
  }
}

// ---- expressions

type Ref = { readonly text: string; readonly type: Type }

/** Names that can be written where an expression stands; an empty prefix means bare field names. */
type Root = { readonly prefix: string; readonly type: Type }

type Scope = { readonly elements: readonly Root[]; readonly variables: readonly Root[] }

type ListText = { readonly text: string; readonly items: Type; readonly singular: string | null }

const units = [
  'millisecond',
  'seconds',
  'minutes',
  'hour',
  'days',
  'day',
  'week',
  'weeks',
  'months',
  'month',
  'year',
  'years',
  'decades',
  'century',
  'centuries',
  'millennium',
  'millennia',
]
const regexes = [
  '^a',
  '(?i)ANN',
  '[a-z]+',
  '\\\\d{2,}',
  'a|b$',
  '.',
  '^.$',
  '\\\\b\\\\w',
  '\\\\p{L}+',
  '^$',
  '\\\\s',
  '(a)(b)?',
  'a*?b',
  '[^a-c]',
  '\\\\.',
  '(?:ab)+',
  '\\\\W',
  '(?s)line.end',
  'line$',
  '[\\\\-x]',
  '\\\\Q$now\\\\E',
  '\\\\p{Lu}',
  '[[ß]'.slice(0, 1) + 'ß]',
]

class Writer {
  readonly choices: Choices
  readonly types: UnionTypes
  readonly now: string
  readonly segments: number
  variables = 0

  constructor(choices: Choices, types: UnionTypes, now: string, segments: number) {
    this.choices = choices
    this.types = types
    this.now = now
    this.segments = segments
  }

  expression(): string {
    const scope: Scope = { elements: [], variables: [] }
    if (this.choices.once(12))
      return `(Profile) => ${this.condition({ elements: [], variables: [{ prefix: 'Profile.', type: this.types.profile }] }, 3)}`
    return this.condition(scope, 4)
  }

  // -- what can be read

  refs(scope: Scope): Ref[] {
    const found: Ref[] = []
    const add = (prefix: string, type: Type): void => {
      const text = prefix.endsWith('.') ? prefix.slice(0, -1) : prefix
      if (text !== '') found.push({ text, type })
      if (type.kind !== 'object') return
      for (const [name, field] of type.fields) add(text === '' ? name : `${text}.${name}`, field)
    }
    for (const root of this.roots(scope)) {
      add(root.prefix, root.type)
      if (root.type.kind === 'object' && root.type === this.types.profile)
        found.push({ text: `${root.prefix}xEvent`, type: { kind: 'array', items: this.types.event! } })
    }
    return found
  }

  roots(scope: Scope): Root[] {
    const levels = [{ prefix: '', type: this.types.profile as Type }, ...scope.elements]
    const innermost = levels.at(-1)!
    const outer = levels.slice(0, -1).map((level, index): Root => {
      const up = '^'.repeat(levels.length - 1 - index)
      return level.type.kind === 'object' ? { prefix: `${up}.`, type: level.type } : { prefix: up, type: level.type }
    })
    const parameter: Root[] = this.choices.once(10) ? [{ prefix: '$1.', type: this.types.profile }] : []
    return [innermost, ...scope.variables, ...outer, ...parameter]
  }

  ref(scope: Scope, is: (type: Type) => boolean): string | null {
    const fitting = this.refs(scope).filter((ref) => is(ref.type))
    return fitting.length > 0 ? this.choices.pick(fitting).text : null
  }

  inside(scope: Scope, list: ListText): Scope {
    return {
      ...scope,
      elements: [
        ...scope.elements,
        { prefix: list.items.kind === 'object' ? '' : (list.singular ?? ''), type: list.items },
      ],
    }
  }

  // -- conditions

  condition(scope: Scope, depth: number): string {
    const { choices } = this
    const leaf = [
      () => this.comparison(scope, depth),
      () => this.textTest(scope, depth),
      () => this.membership(scope, depth),
      () => this.occurs(scope, depth),
      () => this.defined(scope),
      () => this.bare(scope),
      () => this.comparison(scope, depth),
    ]
    if (depth <= 0) return choices.pick(leaf)()
    const deep = [
      ...leaf,
      () => `${this.condition(scope, depth - 1)} and ${this.condition(scope, depth - 1)}`,
      () => `(${this.condition(scope, depth - 1)}) or ${this.condition(scope, depth - 1)}`,
      () => `not (${this.condition(scope, depth - 1)})`,
      () => `!(${this.condition(scope, depth - 1)})`,
      () => `(${this.condition(scope, depth - 1)})`,
      () => this.quantified(scope, depth),
      () => this.quantified(scope, depth),
      () => this.method(scope, depth),
      () => this.method(scope, depth),
      () => this.overlap(scope, depth),
      () => this.chain(scope, depth),
      () => this.chain(scope, depth),
      () =>
        `if(${this.condition(scope, depth - 1)}, ${this.booleanText(scope, depth - 1)}, ${this.booleanText(scope, depth - 1)})`,
      () => this.letCondition(scope, depth),
      () => (this.segments > 0 ? `inSegment("s${choices.below(this.segments)}")` : 'true'),
      () => `(${this.list(scope, depth - 1).text})`,
    ]
    const written = choices.pick(deep)()
    // A quantifier, let or lambda body reaches as far right as it can.
    return /^(?:exists|forall|let|if\(|sum|average|min|max)\b/.test(written) ? `(${written})` : written
  }

  comparison(scope: Scope, depth: number): string {
    const op = this.choices.pick(['=', '!=', '<', '<=', '>', '>='])
    const same = this.choices.pick(['=', '!='])
    switch (this.choices.below(9)) {
      case 6: {
        const list = this.scalarList(scope, depth - 1)
        const item = this.scalar(scope, list.items, depth - 1)
        return this.choices.below(2) === 0 ? `${list.text} ${same} ${item}` : `${item} ${same} ${list.text}`
      }
      case 7: {
        const list = this.scalarList(scope, depth - 1)
        return `${list.text} ${same} ${this.listOf(scope, list.items, depth - 1)}`
      }
      case 8:
        return this.wholeObjects(scope, same)
      case 0:
        return `${this.text(scope, depth)} ${same} ${this.text(scope, depth - 1)}`
      case 1:
        return `${this.booleanText(scope, depth)} ${same} ${this.choices.pick(['true', 'false'])}`
      case 2:
        return `${this.time(scope, depth)} ${same} ${this.time(scope, depth - 1)}`
      default:
        return `${this.number(scope, depth)} ${op} ${this.number(scope, depth - 1)}`
    }
  }

  /** Two objects of the same type, without maps; or two events. */
  wholeObjects(scope: Scope, op: string): string {
    const isFlat = (type: Type): boolean =>
      type.kind === 'object'
        ? [...type.fields.values()].every(isFlat)
        : type.kind !== 'map' && (type.kind !== 'array' || !['object', 'array', 'map'].includes(type.items.kind))
    const objects = this.refs(scope).filter(
      ({ type }) => type.kind === 'object' && (type === this.types.event || isFlat(type)),
    )
    if (objects.length === 0) return 'true'
    const left = this.choices.pick(objects)
    const right = this.choices.pick(objects.filter(({ type }) => type === left.type))
    return `${left.text} ${op} ${right.text}`
  }

  textTest(scope: Scope, depth: number): string {
    const left = this.text(scope, depth)
    const flag = this.choices.pick(['', '', ', true', ', false'])
    switch (this.choices.below(5)) {
      case 0:
        return `${left} like ${this.pattern()}`
      case 1:
        return `${left}.matches("${this.choices.pick(regexes)}")`
      case 2:
        return `${left}.like(${this.pattern()}${flag})`
      default: {
        const name = this.choices.pick([
          'startsWith',
          'doesNotStartWith',
          'endsWith',
          'doesNotEndWith',
          'contains',
          'doesNotContain',
          'equals',
          'notEqualTo',
        ])
        return `${left}.${name}(${this.text(scope, depth - 1)}${flag})`
      }
    }
  }

  pattern(): string {
    return this.choices.pick([
      '"%"',
      '"a%"',
      '"%b"',
      '"_"',
      '"__"',
      '"a_b"',
      '"%a%b%"',
      '""',
      '"A%"',
      '"%\\\\%"',
      '"ß%"',
      '"😀_"',
      '"(a|b)%"',
      '"_%e_"',
      '"%line%"',
      '"i%"',
    ])
  }

  membership(scope: Scope, depth: number): string {
    const word = this.choices.pick(['in', 'notIn'])
    switch (this.choices.below(6)) {
      case 0:
        return `${this.text(scope, depth - 1)} ${word} [${this.several(() => this.textLiteral())}]`
      case 1:
        return `${this.number(scope, depth - 1)} ${word} [${this.several(() => this.numberLiteral())}]`
      case 2:
        return `${this.time(scope, depth - 1)} ${word} [${this.several(() => JSON.stringify(this.choices.pick(dates)))}]`
      default: {
        const list = this.scalarList(scope, depth)
        const item = this.scalar(scope, list.items, depth - 1)
        return this.choices.below(2) === 0 ? `${list.text}.includes(${item})` : `${item} ${word} ${list.text}`
      }
    }
  }

  several(make: () => string): string {
    return Array.from({ length: this.choices.below(4) }, make).join(', ')
  }

  occurs(scope: Scope, depth: number): string {
    return `${this.time(scope, depth)} occurs ${this.when(scope, depth)}`
  }

  when(scope: Scope, depth: number): string {
    const direction = this.choices.pick(['before', 'after', 'from'])
    switch (this.choices.below(6)) {
      case 0:
        return `${this.choices.pick(['', 'on '])}${this.anchor(scope, depth)}`
      case 1:
        return `between ${this.anchor(scope, depth)} and ${this.anchor(scope, depth)}`
      case 2:
        return `${direction} ${this.anchor(scope, depth)}`
      default:
        return `${this.choices.pick(['<=', '<', '>', '>=', '=', '!='])} ${this.amount()} ${direction} ${this.anchor(scope, depth)}`
    }
  }

  amount(): string {
    const unit = this.choices.pick(units)
    const amounts = unit.startsWith('millenn')
      ? [0, 1, 3, 10]
      : unit.startsWith('centur') || unit.startsWith('decade')
        ? [0, 1, 7, 100]
        : unit === 'millisecond' || unit === 'seconds'
          ? [0, 1, 999, 1000, 86_400_000, 31_536_000_000, 63_000_000_000]
          : [0, 1, 2, 3, 7, 24, 30, 400, 3000]
    return `${this.choices.pick(amounts)} ${unit}`
  }

  anchor(scope: Scope, depth: number): string {
    const { choices } = this
    switch (choices.below(8)) {
      case 0:
        return `${choices.pick(['this', 'last', 'next'])} ${choices.pick(units.filter((unit) => unit !== 'centuries' && unit !== 'millennia'))}`
      case 1:
        return this.day()
      case 2:
      case 3:
        return this.time(scope, depth - 1)
      default:
        return choices.pick(['now', 'today', 'yesterday', 'tomorrow'])
    }
  }

  day(): string {
    const [year, month, day] = this.choices.pick(dates).split('-').map(Number)
    return this.choices.below(2) === 0 ? `date(${year}, ${month}, ${day})` : JSON.stringify(this.choices.pick(dates))
  }

  defined(scope: Scope): string {
    const ref = this.ref(scope, () => true)
    return ref === null ? 'true' : `${ref}.${this.choices.pick(['isNull', 'isNotNull'])}()`
  }

  bare(scope: Scope): string {
    return this.ref(scope, () => true) ?? 'true'
  }

  quantified(scope: Scope, depth: number): string {
    const kind = this.choices.pick(['exists', 'forall', 'exists', 'forall'])
    const count = this.choices.once(3) ? 2 : 1
    const { text } = this.generators(scope, depth, count)
    return `(${kind} ${text})`
  }

  generators(scope: Scope, depth: number, count: number): { text: string; scope: Scope; variables: readonly Root[] } {
    let inner = scope
    const parts: string[] = []
    const variables: Root[] = []
    for (let index = 0; index < count; index += 1) {
      const list = this.list(inner, depth - 2)
      const name = `V${(this.variables += 1)}`
      const root: Root = { prefix: list.items.kind === 'object' ? `${name}.` : name, type: list.items }
      variables.push(root)
      inner = { ...inner, variables: [root, ...inner.variables] }
      const where =
        this.choices.below(4) > 0 ? `${this.choices.pick([' where ', ' : '])}${this.condition(inner, depth - 2)}` : ''
      parts.push(`${name} from ${list.text}${where}`)
    }
    return { text: parts.join(', '), scope: inner, variables }
  }

  method(scope: Scope, depth: number): string {
    const list = this.list(scope, depth - 1)
    return `${list.text}.${this.choices.pick(['exists', 'forall'])}(${this.condition(this.inside(scope, list), depth - 2)})`
  }

  overlap(scope: Scope, depth: number): string {
    const left = this.scalarList(scope, depth - 1)
    const right = this.listOf(scope, left.items, depth - 1)
    return `${left.text}.${this.choices.pick(['intersects', 'subsetOf', 'supersetOf'])}(${right})`
  }

  letCondition(scope: Scope, depth: number): string {
    const name = `V${(this.variables += 1)}`
    const type = this.choices.pick<Type>([
      { kind: 'number' },
      { kind: 'string', values: null },
      { kind: 'timestamp' },
      { kind: 'array', items: { kind: 'number' } },
    ])
    const value =
      type.kind === 'number'
        ? this.number(scope, depth - 1)
        : type.kind === 'string'
          ? this.text(scope, depth - 1)
          : type.kind === 'timestamp'
            ? this.ref(scope, (of) => of.kind === 'timestamp')
            : this.listOf(scope, { kind: 'number' }, depth - 1)
    // A literal alone is no condition.
    if (value === null || /^[-\d."[]/.test(value)) return 'true'
    return `let ${name} = ${value} in (${this.condition({ ...scope, variables: [{ prefix: name, type }, ...scope.variables] }, depth - 1)})`
  }

  chain(scope: Scope, depth: number): string {
    const events = this.events(scope)
    const labelled = this.choices.once(2)
    const steps: string[] = []
    const labels: Root[] = []
    for (let index = 0; index <= this.choices.below(3); index += 1) {
      const inside: Scope = {
        elements: [...scope.elements, { prefix: '', type: this.types.event! }],
        variables: [...(labelled ? labels : []), ...scope.variables],
      }
      const clauses = [`WHAT(${this.condition(inside, depth - 3)})`]
      if (this.choices.once(2)) clauses.push(`WHEN(${this.when(inside, 0)})`)
      const refers = labelled && labels.length > 0
      if (!refers && !labelled && this.choices.once(3)) clauses.push(`COUNT(${1 + this.choices.below(3)})`)
      if (refers && this.choices.once(2)) clauses.push(`WHERE(${this.condition(inside, 0)})`)
      const label = `C${(this.variables += 1)}`
      steps.push(`${labelled || this.choices.once(2) ? `${label}: ` : ''}${clauses.join(' ')}`)
      labels.push({ prefix: `${label}.`, type: this.types.event! })
    }
    return `${this.choices.pick(['CHAIN', 'chain'])}(${events}, timestamp, [${steps.join(', ')}])`
  }

  events(scope: Scope): string {
    return scope.elements.length === 0 ? 'xEvent' : `${'^'.repeat(scope.elements.length)}.xEvent`
  }

  // -- values

  scalar(scope: Scope, type: Type, depth: number): string {
    switch (type.kind) {
      case 'string':
        return this.text(scope, depth)
      case 'boolean':
        return this.booleanText(scope, depth)
      case 'date':
      case 'timestamp':
        return this.time(scope, depth)
      default:
        return this.number(scope, depth)
    }
  }

  textLiteral(): string {
    return JSON.stringify(this.choices.pick(texts))
  }

  numberLiteral(): string {
    const value = this.choices.pick([...numbers, ...integers])
    return String(value)
  }

  text(scope: Scope, depth: number): string {
    const ref = this.ref(scope, (type) => type.kind === 'string')
    if (depth <= 0 || this.choices.below(3) === 0)
      return ref !== null && this.choices.below(3) > 0 ? ref : this.textLiteral()
    const map = this.mapOf(scope, (type) => type.kind === 'string', depth)
    const list = this.listOf(scope, { kind: 'string', values: null }, depth - 1)
    return this.choices.pick([
      () => ref ?? this.textLiteral(),
      () => (map ? `${map}.get(${JSON.stringify(this.choices.pick(keys))})` : this.textLiteral()),
      () => `${list}.head()`,
      () => `(${ref ?? this.textLiteral()}).regexGroup("(.)(a|b)?", ${this.choices.below(3)})`,
      () => `if(${this.condition(scope, depth - 2)}, ${this.text(scope, depth - 2)}, ${this.text(scope, depth - 2)})`,
    ])()
  }

  booleanText(scope: Scope, depth: number): string {
    const ref = this.ref(scope, (type) => type.kind === 'boolean')
    if (depth <= 0 || this.choices.below(2) === 0) return ref ?? 'true'
    return this.choices.pick([
      () => this.choices.pick(['true', 'false']),
      () =>
        `(${this.choices.pick([() => this.comparison(scope, depth - 2), () => this.textTest(scope, depth - 2), () => this.occurs(scope, depth - 2), () => this.quantified(scope, depth - 1)])()})`,
    ])()
  }

  time(scope: Scope, depth: number): string {
    const ref = this.ref(scope, (type) => type.kind === 'timestamp' || type.kind === 'date')
    if (ref !== null && (depth <= 0 || this.choices.below(2) === 0)) return ref
    return this.choices.pick([
      () => `date(${this.number(scope, 0)}, ${1 + this.choices.below(13)}, ${28 + this.choices.below(5)})`,
      () =>
        `date(${this.choices.pick([2024, 2023, 1988, 1])}, ${1 + this.choices.below(12)}, ${1 + this.choices.below(31)})`,
      () => `${this.events(scope)}.${this.choices.pick(['max', 'min'])}(timestamp)`,
      () => ref ?? `date(2024, 2, ${28 + this.choices.below(3)})`,
      () => {
        const map = this.mapOf(scope, (type) => type.kind === 'timestamp', depth)
        return map ? `${map}.get("a")` : 'date(2024, 1, 31)'
      },
    ])()
  }

  number(scope: Scope, depth: number): string {
    const ref = this.ref(scope, (type) => type.kind === 'number' || type.kind === 'integer')
    if (depth <= 0 || this.choices.below(4) === 0)
      return ref !== null && this.choices.below(3) > 0 ? ref : this.numberLiteral()
    return this.choices.pick([
      () => `${this.list(scope, depth - 1).text}.count()`,
      () => this.aggregate(scope, depth),
      () => this.aggregate(scope, depth),
      () => this.keywordAggregate(scope, depth),
      () =>
        `(${this.number(scope, depth - 1)} ${this.choices.pick(['+', '-', '*', '/', '%'])} ${this.number(scope, depth - 1)})`,
      () => `-(${this.number(scope, depth - 1)})`,
      () =>
        `${this.ref(scope, (type) => type.kind === 'timestamp' || type.kind === 'date') ?? 'date(2024, 2, 29)'}.${this.choices.pick(['getYear', 'getMonth', 'getDayOfMonth'])}()`,
      () => this.choices.pick(['currentYear()', 'currentMonth()', 'currentDayOfMonth()']),
      () =>
        `if(${this.condition(scope, depth - 2)}, ${this.number(scope, depth - 2)}, ${this.number(scope, depth - 2)})`,
      () => `${this.listOf(scope, { kind: 'number' }, depth - 1)}.head()`,
      () => this.topField(scope, depth),
      () => {
        const map = this.mapOf(scope, (type) => type.kind === 'number', depth)
        return map
          ? `${map}.${this.choices.pick(['get("a")', 'get("b")', 'key', 'values().sum()', 'keys().count()', 'values().max()'])}`
          : '1'
      },
      () => {
        const name = `V${(this.variables += 1)}`
        return `(let ${name} = ${this.number(scope, depth - 1)} in ${name} * 2)`
      },
    ])()
  }

  aggregate(scope: Scope, depth: number): string {
    const name = this.choices.pick(['sum', 'average', 'min', 'max'])
    const list = this.list(scope, depth - 1)
    if (list.items.kind === 'number' || list.items.kind === 'integer') return `${list.text}.${name}()`
    return `${list.text}.${name}(${this.number(this.inside(scope, list), depth - 2)})`
  }

  keywordAggregate(scope: Scope, depth: number): string {
    const name = this.choices.pick(['sum', 'average', 'min', 'max'])
    if (this.choices.once(4))
      return `(${name} V${(this.variables += 1)} from ${this.listOf(scope, { kind: 'number' }, depth - 1)})`
    const { text, scope: inner } = this.generators(scope, depth, this.choices.once(3) ? 2 : 1)
    return `(${name} (${this.number(inner, depth - 2)}) over ${text})`
  }

  topField(scope: Scope, depth: number): string {
    const list = this.list(scope, depth - 1)
    if (list.items.kind !== 'object') return `${list.text}.count()`
    const best = this.top(scope, list, depth)
    const field = [...list.items.fields]
      .filter(([, type]) => type.kind === 'number' || type.kind === 'integer')
      .map(([field]) => field)
    return field.length > 0 ? `${best}.head().${this.choices.pick(field)}` : `${best}.count()`
  }

  top(scope: Scope, list: ListText, depth: number): string {
    const inner = this.inside(scope, list)
    const by =
      this.choices.below(3) > 0
        ? this.number(inner, depth - 2)
        : (this.ref(inner, (type) => type.kind === 'timestamp') ?? this.number(inner, 0))
    return `${list.text}.${this.choices.pick(['topN', 'bottomN'])}(${by}, ${this.choices.below(4)})`
  }

  // -- arrays and maps

  list(scope: Scope, depth: number): ListText {
    const plain = this.refs(scope).filter((ref) => ref.type.kind === 'array')
    const events = this.events(scope)
    const fallback: ListText = { text: events, items: this.types.event!, singular: 'xEvent' }
    const ref = (): ListText => {
      if (plain.length === 0 || this.choices.below(3) === 0) return fallback
      const chosen = this.choices.pick(plain)
      return {
        text: chosen.text,
        items: (chosen.type as Extract<Type, { kind: 'array' }>).items,
        singular: chosen.text.startsWith('^') && !chosen.text.includes('.') ? null : singular(chosen.text),
      }
    }
    if (depth <= 0) return ref()
    const inner = (): ListText => this.list(scope, depth - 1)
    return this.choices.pick([
      ref,
      ref,
      () => {
        const list = inner()
        return {
          text: `${list.text}[${this.condition(this.inside(scope, list), depth - 2)}]`,
          items: list.items,
          singular: list.text.endsWith(')') ? null : list.singular,
        }
      },
      () => {
        const list = inner()
        return {
          text: `${list.text}.filter(${this.condition(this.inside(scope, list), depth - 2)})`,
          items: list.items,
          singular: null,
        }
      },
      () => this.mapped(scope, depth),
      () => {
        const list = inner()
        return { text: this.top(scope, list, depth), items: list.items, singular: null }
      },
      () => {
        const list = this.scalarList(scope, depth - 1)
        return { text: `${list.text}.distinct()`, items: list.items, singular: null }
      },
      () => {
        const { text, variables } = this.generators(scope, depth, this.choices.once(3) ? 2 : 1)
        const items: Type =
          variables.length === 1
            ? variables[0]!.type
            : objectType(new Map(variables.map((variable) => [variable.prefix.replace('.', ''), variable.type])))
        return { text: `(select ${text})`, items, singular: null }
      },
      () => {
        const map = this.mapOf(scope, (type) => type.kind === 'array', depth)
        return map
          ? {
              text: `${map}.values()`,
              items: this.valuesOf.kind === 'array' ? this.valuesOf.items : this.valuesOf,
              singular: null,
            }
          : ref()
      },
    ])()
  }

  mapped(scope: Scope, depth: number): ListText {
    const list = this.list(scope, depth - 1)
    if (list.items.kind === 'object' && this.choices.once(2)) {
      const objects = [...list.items.fields].filter(([, field]) => field.kind === 'object')
      if (objects.length > 0 && this.choices.once(4)) {
        const [name, items] = this.choices.pick(objects)
        return { text: `${list.text}.${name}`, items, singular: singular(name) }
      }
      const paths = leaves(list.items)
      const [path, type] = this.choices.pick(paths)
      if (type.kind === 'array') return { text: `${list.text}.${path}`, items: type.items, singular: null }
      return { text: `${list.text}.${path}`, items: type, singular: null }
    }
    const inner = this.inside(scope, list)
    const type = this.choices.pick<Type>([{ kind: 'number' }, { kind: 'string', values: null }, { kind: 'boolean' }])
    const name = `V${(this.variables += 1)}`
    if (this.choices.once(4)) {
      const variable: Root = { prefix: list.items.kind === 'object' ? `${name}.` : name, type: list.items }
      return {
        text: `${list.text}.map((${name}) => ${this.scalar({ ...inner, variables: [variable, ...scope.variables] }, type, depth - 2)})`,
        items: type,
        singular: null,
      }
    }
    return { text: `${list.text}.map(${this.scalar(inner, type, depth - 2)})`, items: type, singular: null }
  }

  scalarList(scope: Scope, depth: number): ListText {
    const list = this.list(scope, depth)
    if (isScalar(list.items)) return list
    const fields = list.items.kind === 'object' ? leaves(list.items).filter(([, type]) => isScalar(type)) : []
    if (fields.length > 0) {
      const [path, type] = this.choices.pick(fields)
      return { text: `${list.text}.${path}`, items: type, singular: null }
    }
    return {
      text: `[${this.several(() => this.textLiteral())}]`,
      items: { kind: 'string', values: null },
      singular: null,
    }
  }

  /** An array of just these scalars. */
  listOf(scope: Scope, items: Type, depth: number): string {
    const fits = (type: Type): boolean =>
      type.kind === items.kind || (numeric(type) && numeric(items)) || (temporal(type) && temporal(items))
    const ref = this.ref(scope, (type) => type.kind === 'array' && fits(type.items))
    const mapped = (): string =>
      `${this.events(scope)}.map(${this.scalar({ ...scope, elements: [...scope.elements, { prefix: '', type: this.types.event! }] }, items, depth - 2)})`
    const literal = (): string =>
      `[${[this.scalar(scope, items, 0), this.several(() => this.scalar(scope, items, 0))].filter((part) => part !== '').join(', ')}]`
    return this.choices.pick([
      () => ref ?? literal(),
      literal,
      mapped,
      () =>
        depth > 0
          ? `${this.listOf(scope, items, depth - 1)}.${this.choices.pick(['distinct()', `intersection(${ref ?? literal()})`])}`
          : (ref ?? literal()),
    ])()
  }

  /** Of the map written last. */
  valuesOf: Type = { kind: 'number' }

  mapOf(scope: Scope, fits: (values: Type) => boolean, depth: number): string | null {
    const fitting = this.refs(scope).filter((ref) => ref.type.kind === 'map' && fits(ref.type.values))
    const number = fits({ kind: 'number' })
    const grouped = fits({ kind: 'array', items: { kind: 'number' } })
    if (depth > 1 && (number || grouped) && this.choices.once(2)) {
      const list = this.list(scope, depth - 2)
      const inner = this.inside(scope, list)
      const key = this.ref(
        inner,
        (type) => type.kind === 'string' || type.kind === 'integer' || type.kind === 'boolean',
      )
      if (key !== null) {
        const groups = `${list.text}.groupBy(${key})`
        if (number) {
          this.valuesOf = { kind: 'number' }
          return `${groups}.map((K, G) => mapEntry(${this.choices.pick(['K', '"a"', 'if(K = "a", "b", K)'])}, G.count()))`
        }
        this.valuesOf = { kind: 'array', items: list.items }
        return groups
      }
    }
    if (fitting.length === 0) return null
    const chosen = this.choices.pick(fitting)
    this.valuesOf = (chosen.type as Extract<Type, { kind: 'map' }>).values
    return chosen.text
  }
}

function leaves(type: ObjectType, prefix = ''): [string, Type][] {
  return [...type.fields].flatMap(([name, field]): [string, Type][] =>
    field.kind === 'object' ? leaves(field, `${prefix}${name}.`) : [[`${prefix}${name}`, field]],
  )
}

function singular(text: string): string | null {
  const name = text.split('.').at(-1)!
  if (/^V\d+$/.test(name)) return null
  if (!/^\w+$/.test(name)) return null
  if (name.endsWith('ies')) return `${name.slice(0, -3)}y`
  return name.endsWith('s') ? name.slice(0, -1) : name
}

const numeric = (type: Type): boolean => type.kind === 'number' || type.kind === 'integer'
const temporal = (type: Type): boolean => type.kind === 'date' || type.kind === 'timestamp'
const isScalar = (type: Type): boolean => type.kind !== 'array' && type.kind !== 'map' && type.kind !== 'object'
