import { type Datum, holds, type Person } from './pql/interpret.ts'
import { type Condition, hasPart, visit } from './pql/ir.ts'
import { typeAt, type UnionTypes } from './schema.ts'

/**
 * Whether nobody for whom the condition holds may be sent: as far as its comparisons of consent attributes with values alone show that.
 * `conditionOf` gives the conditions of other Segments.
 */
export function excludesConsent(
  condition: Condition,
  without: Condition,
  types: UnionTypes,
  conditionOf: (segment: string) => Condition | null,
): boolean {
  const paths = new Set<string>()
  const texts = new Set<string | number | boolean>()
  visit(without, (node) => {
    if (node.kind === 'column') paths.add(node.path)
  })
  const isKnown = (node: Condition): boolean => {
    if (!['compare', 'text', 'includes', 'isTrue', 'isDefined', 'constant'].includes(node.kind)) return false
    if (node.kind === 'compare' && node.op !== '=' && node.op !== '!=') return false
    if (node.kind === 'text' && node.test !== 'equals') return false
    return !hasPart(
      node,
      (part) =>
        part !== node &&
        !(part.kind === 'literal' || part.kind === 'list' || (part.kind === 'column' && paths.has(part.path))),
    )
  }
  const seen = new Set<string>()
  const gather = (tree: Condition): void =>
    visit(tree, (node) => {
      if (node.kind === 'literal') texts.add(node.value)
      if (node.kind !== 'segment' || seen.has(node.name)) return
      seen.add(node.name)
      const other = conditionOf(node.name)
      if (other) gather(other)
    })
  gather(condition)
  gather(without)
  const people = assignments([...paths], types, texts)
  if (people === null) return false
  const may = people.filter((person) => !holds(without, person, { now: 0, inSegment: () => false }))
  /** true, false, or null where it depends on something else. */
  const answer = (node: Condition, person: Person): boolean | null => {
    switch (node.kind) {
      case 'and':
      case 'or': {
        const decides = node.kind === 'or'
        const answers = node.items.map((item) => answer(item, person))
        return answers.includes(decides) ? decides : answers.includes(null) ? null : !decides
      }
      case 'not': {
        const inner = answer(node.item, person)
        return inner === null ? null : !inner
      }
      case 'segment': {
        const other = conditionOf(node.name)
        return other ? answer(other, person) : null
      }
      default:
        return isKnown(node) ? holds(node, person, { now: 0, inSegment: () => false }) : null
    }
  }
  return may.every((person) => answer(condition, person) === false)
}

/** People with every combination of values that comparisons with these literals can tell apart; null: there are too many. */
function assignments(
  paths: readonly string[],
  { profile }: UnionTypes,
  literals: ReadonlySet<string | number | boolean>,
): readonly Person[] | null {
  let people: Record<string, Datum>[] = [{}]
  for (const path of paths) {
    const type = typeAt(profile, path)
    const values = new Set<Datum>([null])
    if (type?.kind === 'boolean') for (const value of [true, false]) values.add(value)
    else if (type?.kind === 'integer') {
      const numbers = [...literals].filter((value) => typeof value === 'number')
      for (const value of [...numbers, Math.max(0, ...numbers) + 1]) values.add(value)
    } else
      for (const value of ['\u0000', ...literals])
        if (typeof value === 'string')
          for (const each of [value, value.toLowerCase(), value.toUpperCase()]) values.add(each)
    people = people.flatMap((person) => [...values].map((value) => ({ ...person, [path]: value })))
    if (people.length > 5000) return null
  }
  return people.map((flat) => ({ attributes: nestedOf(flat), events: [] }))
}

type Nested = { [name: string]: Datum }

function nestedOf(flat: Readonly<Record<string, Datum>>): Nested {
  const object: Nested = {}
  for (const [path, value] of Object.entries(flat)) {
    const names = path.split('.')
    const last = names.pop()!
    let place = object
    for (const name of names) place = (place[name] ??= {}) as Nested // only objects are on the way to a leaf
    place[last] = value
  }
  return object
}
