import { locateExpression } from '../model.ts'
import { type Condition, hasPart, type Node, type Value, visit } from '../pql/ir.ts'
import type { Rule } from './rule.ts'

export const handBuiltBirthday: Rule = {
  severity: 'warning',
  page: {
    title: 'A birthday is put together by hand, and misses people',
    checks:
      "Expressions that compare month and day of a date with today's, and those that look for this year's anniversary in a span that may reach over New Year.",
    why: 'Who was born on 29 February has no such day in three of four years, and a birthday in January is not found in December: these people get no greeting, and nobody notices.',
    source: 'Segmentation Service, the option "Ignore year"',
    bad: `
kind: Segment
metadata: { name: buyers }
spec:
  expression: person.birthDate.getMonth() = currentMonth() and person.birthDate.getDayOfMonth() = currentDayOfMonth()
`,
    good: `
kind: Segment
metadata: { name: buyers }
spec:
  expression: person.birthDate.ignoreYear() occurs today
`,
  },
  check: {
    Segment(resource, { model, report }) {
      // Few expressions take months or years apart, and only these are read once more.
      if (!/getDayOfMonth/.test(resource.spec.expression)) return
      const segment = model.relations.segment(resource)
      const located = segment ? locateExpression(segment, model) : null
      if (!located?.condition) return
      const found = lostDays(located.condition)
      if (!found) return
      const range = located.placeOf(found.at)
      report({
        path: ['spec', 'expression'],
        ...(range && { range }),
        message: found.message,
        help: 'Write `date.ignoreYear() occurs …`, which takes 28 February in other years and sees over New Year.',
      })
    },
  },
}

/** What a birthday that is put together by hand misses, and where; null for none. */
function lostDays(condition: Condition): { readonly at: Node; readonly message: string } | null {
  let found: { readonly at: Node; readonly message: string } | null = null
  const years = new Set<string>()
  let spanning: Node | null = null
  visit(condition, (node) => {
    if (node.kind === 'and') {
      const parts = node.items.filter((item) => item.kind === 'compare' && item.op === '=')
      const of = (part: 'month' | 'day'): Condition | undefined => parts.find((item) => comparesWithToday(item, part))
      const day = of('day')
      if (day && of('month')) found ??= { at: day, message: 'Who was born on 29 February is missed in other years' }
    }
    if (node.kind === 'makeDate' && isAnniversary(node)) years.add(JSON.stringify(node.year))
    if (node.kind === 'within' && hasPart(node.subject, isOfThisYear) && [node.from, node.to].some(isFar))
      spanning ??= node
  })
  if (found) return found
  // Whoever asks for another year's anniversary too has thought of New Year.
  return spanning && years.size === 1
    ? { at: spanning, message: "Around New Year this anniversary is another year's, and is missed" }
    : null
}

/** Whether a month or day of the profile is compared with the clock's. */
function comparesWithToday(condition: Condition, part: 'month' | 'day'): boolean {
  if (condition.kind !== 'compare') return false
  const is = (value: Value, of: 'now' | 'column'): boolean =>
    value.kind === 'part' && value.part === part && hasPart(value.of, ({ kind }) => kind === of)
  const { left, right } = condition
  return (is(left, 'now') && is(right, 'column')) || (is(left, 'column') && is(right, 'now'))
}

function isAnniversary(node: Node): boolean {
  return node.kind === 'makeDate' && hasPart(node.month, ({ kind }) => kind === 'column')
}

/** Whether a node is a profile's month and day in the year of the clock. */
function isOfThisYear(node: Node): boolean {
  if (node.kind !== 'makeDate' || !isAnniversary(node)) return false
  return node.year.kind === 'part' && node.year.of.kind === 'now'
}

/** Whether an end of a span lies more than a day from now. */
function isFar(bound: { readonly value: Value } | null): boolean {
  if (!bound) return false
  return hasPart(bound.value, (node) => node.kind === 'shift' && (node.unit !== 'day' || Math.abs(node.amount) > 1))
}
