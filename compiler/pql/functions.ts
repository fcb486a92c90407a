import { extensionFunctions } from './extension-functions.ts'
import type { FunctionEntry } from './function-entry.ts'

export type { FunctionEntry } from './function-entry.ts'

/**
 * Every function and method, with its manual entry: PQL's, and those beyond it. `examples` are executed on every engine: each is an
 * expression over the example profile of docs/pql.md, and whether it holds. `check/calls.ts` has one handler per name (a missing one is a type error).
 */
export const functions = {
  startsWith: {
    form: 'method',
    group: 'text',
    signature: 'text.startsWith(text[, caseSensitive])',
    doc: 'The text begins with the other. False when either is absent.',
    examples: [
      ['person.name.firstName.startsWith("An")', true],
      ['person.name.firstName.startsWith("an", false)', true],
      ['person.name.firstName.startsWith("an")', false],
    ],
  },
  doesNotStartWith: {
    form: 'method',
    group: 'text',
    signature: 'text.doesNotStartWith(text[, caseSensitive])',
    doc: 'Both are there and the text does not begin with the other; not the negation of startsWith.',
    examples: [
      ['person.name.firstName.doesNotStartWith("B")', true],
      ['person.name.middleName.doesNotStartWith("B")', false],
    ],
  },
  endsWith: {
    form: 'method',
    group: 'text',
    signature: 'text.endsWith(text[, caseSensitive])',
    doc: 'The text ends with the other. False when either is absent.',
    examples: [
      ['personalEmail.address.endsWith(".test")', true],
      ['personalEmail.address.endsWith(".TEST", false)', true],
    ],
  },
  doesNotEndWith: {
    form: 'method',
    group: 'text',
    signature: 'text.doesNotEndWith(text[, caseSensitive])',
    doc: 'Both are there and the text does not end with the other.',
    examples: [['personalEmail.address.doesNotEndWith(".com")', true]],
  },
  contains: {
    form: 'method',
    group: 'text',
    signature: 'text.contains(text[, caseSensitive])',
    doc: 'The other text occurs in the text. False when either is absent.',
    examples: [
      ['personalEmail.address.contains("@example.")', true],
      ['person.name.lastName.contains("MÜL", false)', true],
    ],
  },
  doesNotContain: {
    form: 'method',
    group: 'text',
    signature: 'text.doesNotContain(text[, caseSensitive])',
    doc: 'Both are there and the other text does not occur.',
    examples: [
      ['personalEmail.address.doesNotContain("spam")', true],
      ['person.name.middleName.doesNotContain("x")', false],
    ],
  },
  equals: {
    form: 'method',
    group: 'text',
    signature: 'text.equals(text[, …][, caseSensitive])',
    doc: 'The texts are the same; of several, it is one of them. False when either is absent.',
    examples: [
      ['homeAddress.countryCode.equals("DE", "CH")', true],
      ['homeAddress.countryCode.equals("de", "ch")', false],
      ['homeAddress.countryCode.equals("de", "ch", false)', true],
      ['person.name.firstName.equals("ann", false)', true],
      ['person.name.firstName.equals("ann")', false],
    ],
  },
  notEqualTo: {
    form: 'method',
    group: 'text',
    signature: 'text.notEqualTo(text[, …][, caseSensitive])',
    doc: 'Both are there and differ; of several, from each.',
    examples: [
      ['homeAddress.countryCode.notEqualTo("DE", "AT")', true],
      ['homeAddress.countryCode.notEqualTo("de", "ch", false)', false],
      ['person.name.firstName.notEqualTo("Bob")', true],
      ['person.name.middleName.notEqualTo("Bob")', false],
    ],
  },
  like: {
    form: 'method',
    group: 'text',
    signature: 'text.like(pattern[, caseSensitive])',
    doc: 'The whole text fits the pattern: `%` stands for any characters, `_` for one. Also written `text like pattern`.',
    examples: [
      ['person.name.lastName like "M%r"', true],
      ['person.name.firstName.like("A_n")', true],
    ],
  },
  matches: {
    form: 'method',
    group: 'text',
    signature: 'text.matches(regex)',
    doc: 'The regular expression (Java syntax, a literal) is found somewhere in the text; anchor it with ^ and $ for the whole.',
    examples: [
      ['personalEmail.address.matches("^[a-z]+@")', true],
      ['personalEmail.address.matches("(?i)ANN")', true],
      ['personalEmail.address.matches("^nn")', false],
    ],
  },
  regexGroup: {
    form: 'method',
    group: 'text',
    signature: 'text.regexGroup(regex, group)',
    doc: 'The text that a group of the first match took; absent when nothing matches.',
    examples: [['personalEmail.address.regexGroup("@(\\\\w+)\\\\.", 1) = "example"', true]],
  },
  count: {
    form: 'method',
    group: 'aggregation',
    signature: 'array.count()',
    doc: 'How many items; 0 for an absent array.',
    examples: [
      ['tags.count() = 3', true],
      ['xEvent[eventType = "purchase"].count() >= 2', true],
    ],
  },
  sum: {
    form: 'method',
    group: 'aggregation',
    signature: 'array.sum(number)',
    doc: 'Sum over the items that have the number, exact to 6 decimals; 0 when none has.',
    examples: [
      ['xEvent.sum(commerce.order.priceTotal) = 150.3', true],
      ['xEvent[eventType = "none"].sum(commerce.order.priceTotal) = 0', true],
    ],
  },
  average: {
    form: 'method',
    group: 'aggregation',
    signature: 'array.average(number)',
    doc: 'Mean over the items that have the number; absent when none has.',
    examples: [
      ['xEvent.average(commerce.order.priceTotal) = 75.15', true],
      ['xEvent[eventType = "none"].average(commerce.order.priceTotal) >= 0', false],
    ],
  },
  min: {
    form: 'method',
    group: 'aggregation',
    signature: 'array.min(number or time)',
    doc: 'Least value; absent when no item has one.',
    examples: [['xEvent.min(commerce.order.priceTotal) = 50.1', true]],
  },
  max: {
    form: 'method',
    group: 'aggregation',
    signature: 'array.max(number or time)',
    doc: 'Greatest value; absent when no item has one.',
    examples: [
      ['xEvent.max(commerce.order.priceTotal) = 100.2', true],
      ['xEvent.max(timestamp) occurs <= 7 days before now', true],
    ],
  },
  exists: {
    form: 'method',
    group: 'array',
    signature: 'array.exists(condition)',
    doc: 'The condition holds for at least one item.',
    examples: [['xEvent.exists(eventType = "purchase")', true]],
  },
  forall: {
    form: 'method',
    group: 'array',
    signature: 'array.forall(condition)',
    doc: 'The condition holds for every item; true for no items.',
    examples: [
      ['tags.forall(tag.notEqualTo("z"))', true],
      ['xEvent.forall(timestamp occurs before now)', true],
    ],
  },
  filter: {
    form: 'method',
    group: 'array',
    signature: 'array.filter(condition)',
    doc: 'The items for which the condition holds; also written array[condition].',
    examples: [['xEvent.filter(eventType = "purchase").count() = 2', true]],
  },
  map: {
    form: 'method',
    group: 'array',
    signature: 'array.map(value) or map.map((K, V) => mapEntry(key, value))',
    doc: 'The value of each item; items without it are left out.',
    examples: [
      ['xEvent.map(commerce.order.priceTotal).max() > 100', true],
      ['xEvent.groupBy(eventType).map((K, G) => mapEntry(K, G.count())).get("purchase") = 2', true],
    ],
  },
  includes: {
    form: 'method',
    group: 'array',
    signature: 'array.includes(value)',
    doc: 'The value is among the items. False when either is absent. Also written value in array.',
    examples: [
      ['tags.includes("b")', true],
      ['"b" in tags', true],
      ['"q" notIn tags', true],
    ],
  },
  intersects: {
    form: 'method',
    group: 'array',
    signature: 'array.intersects(array)',
    doc: 'The arrays have an item in common.',
    examples: [
      ['tags.intersects(["b", "x"])', true],
      ['tags.intersects(["x"])', false],
    ],
  },
  intersection: {
    form: 'method',
    group: 'array',
    signature: 'array.intersection(array)',
    doc: 'The items both have, each once, in the order of the first array; absent when there are none.',
    examples: [
      ['tags.intersection(["c", "a"]).count() = 2', true],
      ['tags.intersection(["x"]).isNull()', true],
    ],
  },
  subsetOf: {
    form: 'method',
    group: 'array',
    signature: 'array.subsetOf(array)',
    doc: 'Every item is in the other array.',
    examples: [
      ['tags.subsetOf(["a", "b", "c", "d"])', true],
      ['tags.subsetOf(["a"])', false],
    ],
  },
  supersetOf: {
    form: 'method',
    group: 'array',
    signature: 'array.supersetOf(array)',
    doc: 'Every item of the other array is in this one.',
    examples: [['tags.supersetOf(["a", "b"])', true]],
  },
  distinct: {
    form: 'method',
    group: 'array',
    signature: 'array.distinct()',
    doc: 'Each item once, in order of first occurrence.',
    examples: [['xEvent.map(eventType).distinct().count() = 2', true]],
  },
  groupBy: {
    form: 'method',
    group: 'array',
    signature: 'array.groupBy(key)',
    doc: 'A map from each key (text, whole number or true/false, as text) to its items.',
    examples: [['xEvent.groupBy(eventType).get("purchase").count() = 2', true]],
  },
  topN: {
    form: 'method',
    group: 'array',
    signature: 'array.topN(value, n)',
    doc: 'The n items with the highest value, highest first; items without it are left out, all items when there are fewer.',
    examples: [
      ['xEvent.topN(timestamp, 1).head().eventType = "view"', true],
      ['xEvent.topN(commerce.order.priceTotal, 9).count() = 2', true],
    ],
  },
  bottomN: {
    form: 'method',
    group: 'array',
    signature: 'array.bottomN(value, n)',
    doc: 'The n items with the lowest value, lowest first.',
    examples: [['xEvent.bottomN(commerce.order.priceTotal, 1).head().commerce.order.priceTotal = 50.1', true]],
  },
  head: {
    form: 'method',
    group: 'array',
    signature: 'array.head()',
    doc: 'The first item; events stand oldest first. Absent for no items.',
    examples: [
      ['tags.head() = "a"', true],
      ['xEvent.head().eventType = "purchase"', true],
    ],
  },
  getMonth: {
    form: 'method',
    group: 'date',
    signature: 'time.getMonth()',
    doc: 'Month 1 to 12, in UTC.',
    examples: [['person.birthDate.getMonth() = 2', true]],
  },
  getYear: {
    form: 'method',
    group: 'date',
    signature: 'time.getYear()',
    doc: 'Year, in UTC.',
    examples: [['person.birthDate.getYear() = 1988', true]],
  },
  getDayOfMonth: {
    form: 'method',
    group: 'date',
    signature: 'time.getDayOfMonth()',
    doc: 'Day of the month 1 to 31, in UTC.',
    examples: [['person.birthDate.getDayOfMonth() = 29', true]],
  },
  currentMonth: {
    form: 'function',
    group: 'date',
    signature: 'currentMonth()',
    doc: 'Month of the evaluation, in UTC.',
    examples: [['currentMonth() = 1', true]],
  },
  currentYear: {
    form: 'function',
    group: 'date',
    signature: 'currentYear()',
    doc: 'Year of the evaluation, in UTC.',
    examples: [['currentYear() - person.birthDate.getYear() = 38', true]],
  },
  currentDayOfMonth: {
    form: 'function',
    group: 'date',
    signature: 'currentDayOfMonth()',
    doc: 'Day of the month of the evaluation, in UTC.',
    examples: [['currentDayOfMonth() = 15', true]],
  },
  date: {
    form: 'function',
    group: 'date',
    signature: 'date(year, month, day)',
    doc: 'A UTC calendar day; absent where there is no such day. With month and day of one time, 29 February is 28 February in years without it.',
    examples: [
      ['person.birthDate = date(1988, 2, 29)', true],
      ['date(2026, 2, 28 + 1).isNull()', true],
      ['date(currentYear(), person.birthDate.getMonth(), person.birthDate.getDayOfMonth()) = date(2026, 2, 28)', true],
      ['loyalty.joinedAt occurs between date(2020, 1, 1) and date(2020, 12, 31)', true],
    ],
  },
  get: {
    form: 'method',
    group: 'map',
    signature: 'map.get(key)',
    doc: 'The value under the key; absent where there is none.',
    examples: [
      ['scores.get("churn") > 0.5', true],
      ['scores.get("none").isNull()', true],
    ],
  },
  keys: {
    form: 'method',
    group: 'map',
    signature: 'map.keys()',
    doc: 'The keys.',
    examples: [['scores.keys().includes("churn")', true]],
  },
  values: {
    form: 'method',
    group: 'map',
    signature: 'map.values()',
    doc: 'The values, in the order of the keys.',
    examples: [['scores.values().max() = 0.75', true]],
  },
  mapEntry: {
    form: 'function',
    group: 'map',
    signature: 'mapEntry(key, value)',
    doc: 'One entry of the map that `map` makes; only as the body of its lambda.',
    examples: [['scores.map((K, V) => mapEntry(K, V * 2)).get("churn") = 1.5', true]],
  },
  isNull: {
    form: 'method',
    group: 'object',
    signature: 'value.isNull()',
    doc: 'The value is absent; an object is absent when all its fields are.',
    examples: [
      ['person.name.middleName.isNull()', true],
      ['homeAddress.isNull()', false],
    ],
  },
  isNotNull: {
    form: 'method',
    group: 'object',
    signature: 'value.isNotNull()',
    doc: 'The value is there.',
    examples: [
      ['person.name.firstName.isNotNull()', true],
      ['homeAddress.isNotNull()', true],
    ],
  },
  ...extensionFunctions,
  inSegment: {
    form: 'function',
    group: 'membership',
    signature: 'inSegment("name")',
    doc: 'The profile is in the Segment of that name, of the same ProfileStore.',
    examples: [],
  },
  if: {
    form: 'function',
    group: 'logic',
    signature: 'if(condition, then, otherwise)',
    doc: 'One of two values of the same type.',
    examples: [['if(loyalty.tier = "gold", 100, 10) = 100', true]],
  },
} as const satisfies Record<string, FunctionEntry>

export type FunctionName = keyof typeof functions

export function isFunction(name: string): name is FunctionName {
  return Object.hasOwn(functions, name)
}

/** The profile of the examples above, evaluated at `now`. */
export const example = {
  now: '2026-01-15T10:30:00Z',
  schema: {
    profile: {
      type: 'object',
      properties: {
        customerId: { type: 'string' },
        person: {
          type: 'object',
          properties: {
            name: {
              type: 'object',
              properties: {
                firstName: { type: 'string' },
                middleName: { type: 'string' },
                lastName: { type: 'string' },
              },
            },
            birthDate: { type: 'string', format: 'date' },
          },
        },
        personalEmail: { type: 'object', properties: { address: { type: 'string', format: 'email' } } },
        homeAddress: { type: 'object', properties: { city: { type: 'string' }, countryCode: { type: 'string' } } },
        loyalty: {
          type: 'object',
          properties: {
            tier: { type: 'string', enum: ['bronze', 'silver', 'gold'] },
            points: { type: 'integer' },
            joinedAt: { type: 'string', format: 'date-time' },
          },
        },
        optOut: { type: 'boolean' },
        tags: { type: 'array', items: { type: 'string' } },
        scores: { type: 'object', additionalProperties: { type: 'number' } },
      },
    },
    event: {
      type: 'object',
      properties: {
        timestamp: { type: 'string', format: 'date-time' },
        eventType: { type: 'string' },
        commerce: {
          type: 'object',
          properties: {
            order: { type: 'object', properties: { priceTotal: { type: 'number' }, currencyCode: { type: 'string' } } },
          },
        },
        productListItems: {
          type: 'array',
          items: {
            type: 'object',
            properties: { SKU: { type: 'string' }, quantity: { type: 'integer' }, priceTotal: { type: 'number' } },
          },
        },
      },
    },
  },
  profile: {
    customerId: 'P1',
    person: { name: { firstName: 'Ann', lastName: 'Müller' }, birthDate: '1988-02-29' },
    personalEmail: { address: 'ann@example.test' },
    homeAddress: { city: 'Basel', countryCode: 'CH' },
    loyalty: { tier: 'gold', points: 120, joinedAt: '2020-05-01T08:00:00Z' },
    tags: ['a', 'b', 'c'],
    scores: { churn: 0.75 },
  },
  events: [
    {
      timestamp: '2026-01-01T09:00:00Z',
      eventType: 'purchase',
      commerce: { order: { priceTotal: 50.1, currencyCode: 'CHF' } },
      productListItems: [
        { SKU: 'A1', quantity: 2, priceTotal: 30.1 },
        { SKU: 'B2', quantity: 1, priceTotal: 20 },
      ],
    },
    {
      timestamp: '2026-01-05T17:30:00Z',
      eventType: 'purchase',
      commerce: { order: { priceTotal: 100.2, currencyCode: 'CHF' } },
      productListItems: [{ SKU: 'C3', quantity: 1, priceTotal: 100.2 }],
    },
    { timestamp: '2026-01-14T20:00:00Z', eventType: 'view' },
  ],
} as const
