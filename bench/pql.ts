import { checkPql } from '../compiler/pql/check.ts'
import { formatPql } from '../compiler/pql/format.ts'
import { example } from '../compiler/pql/functions.ts'
import { parsePql } from '../compiler/pql/parser.ts'
import { readUnionSchema, withTimestamp } from '../compiler/schema.ts'
import { membershipQuery } from '../compiler/sql/membership-query.ts'

// One JSON object: expressions per second on one thread, median of the rounds, over distinct expressions of about 140 characters.

const rounds = 7
const count = 5_000
const types = {
  profile: readUnionSchema(example.schema.profile, 'profile').type,
  event: withTimestamp(readUnionSchema(example.schema.event, 'event').type),
}
const names = { types, segments: new Set(['gold-members']) }

const templates: readonly ((n: number) => string)[] = [
  (n) =>
    `loyalty.tier = "gold" and loyalty.points >= ${n} and homeAddress.countryCode in ["DE", "AT", "CH"] and not (optOut = true) and personalEmail.address.endsWith(".test")`,
  (n) =>
    `exists E from xEvent where E.eventType = "purchase" and E.commerce.order.priceTotal > ${n} and E.timestamp occurs <= 30 days before now`,
  (n) =>
    `CHAIN(xEvent, timestamp, [A: WHAT(eventType = "view") WHEN(<= 7 days before now) COUNT(${1 + (n % 9)}), B: WHAT(eventType = "purchase" and commerce.order.priceTotal > ${n})])`,
  (n) =>
    `let total = xEvent[eventType = "purchase"].sum(commerce.order.priceTotal) in (total > ${n} and total < ${n + 1000}) and inSegment("gold-members")`,
  (n) =>
    `person.birthDate occurs between date(${1950 + (n % 50)}, 1, 1) and date(2000, 12, 31) and tags.intersects(["a", "b${n}"]) and scores.get("churn") > 0.5`,
]
const expressions = Array.from({ length: count }, (_, index) => templates[index % templates.length]!(index))
const faulty = expressions.map((pql) => pql.replace('loyalty', 'loyality').replace(' and ', ' && '))

const conditions = expressions.map((pql, index) => ({ name: `s${index}`, condition: checkPql(pql, names).condition! })) // all of them compile
const shared = conditions.slice(0, 500)

const report = {
  bench: 'pql',
  expressions: count,
  characters: Math.round(expressions.reduce((total, pql) => total + pql.length, 0) / count),
  perSecond: {
    parsed: perSecond(count, () => each(expressions, parsePql)),
    checked: perSecond(count, () => each(expressions, (pql) => checkPql(pql, names))),
    faultyChecked: perSecond(count, () => each(faulty, (pql) => checkPql(pql, names))),
    formatted: perSecond(count, () => each(expressions, formatPql)),
    printedInOneQuery: perSecond(shared.length, () => membershipQuery(shared, [])),
  },
}
console.log(JSON.stringify(report))

function perSecond(items: number, work: () => unknown): number {
  const seconds = Array.from({ length: rounds }, () => {
    const start = performance.now()
    work()
    return (performance.now() - start) / 1000
  }).sort((a, b) => a - b)
  return Math.round(items / seconds[Math.floor(rounds / 2)]!)
}

function each(texts: readonly string[], work: (pql: string) => unknown): void {
  for (const pql of texts) work(pql)
}
