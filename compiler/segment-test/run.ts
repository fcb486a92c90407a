import { holds, type Memberships, type Person } from '../pql/interpret.ts'
import { type Condition, visit } from '../pql/ir.ts'
import type { SegmentCondition } from '../sql/share.ts'
import { nextFlip } from './flip.ts'
import type { Case, Expression, Step } from './suite.ts'

/** The people who are in the first of the Segments at an instant (epoch milliseconds). The other Segments are those it refers to. */
export type Engine = (
  segments: readonly SegmentCondition[],
  people: ReadonlyMap<string, Person>,
  at: number,
) => Promise<ReadonlySet<string>>

/** The reference interpreter, as an engine. */
export const reference: Engine = async (segments, people, at) => {
  const target = segments[0]
  const conditionOf = conditionsOf(segments)
  return new Set(
    [...people].filter(([, person]) => target && isIn(target.condition, person, at, conditionOf)).map(([id]) => id),
  )
}

/** What an engine found at one step, and what was expected. Ids are sorted. */
export type StepResult = {
  readonly step: Step
  readonly members: readonly string[]
  readonly entered: readonly string[]
  readonly exited: readonly string[]
  /** Members by incremental evaluation; null where there is no step before. */
  readonly incremental: readonly string[] | null
  readonly passed: boolean
}

export type CaseResult =
  /** The case could not be run, for the reasons in `case.obstacles`. */
  | { readonly kind: 'blocked'; readonly passed: false }
  /** A case that expects an error; `codes` are those that the expression was refused with. */
  | { readonly kind: 'error'; readonly passed: boolean; readonly codes: readonly string[] }
  | { readonly kind: 'steps'; readonly passed: boolean; readonly steps: readonly StepResult[] }

export async function runCase(each: Case, engine: Engine): Promise<CaseResult> {
  if (each.obstacles.length > 0) return { kind: 'blocked', passed: false }
  const { expected } = each
  switch (expected.kind) {
    case 'error': {
      const codes = [
        ...new Set(each.faults.filter(({ severity }) => severity !== 'warning').map(({ code }) => code)),
      ].sort()
      return { kind: 'error', passed: codes.some((code) => code === expected.code), codes }
    }
    case 'members':
    case 'timeline': {
      const steps = await runSteps(
        segmentsOf(each.expressions),
        expected.kind === 'timeline' ? expected.steps : [expected.step],
        engine,
      )
      return { kind: 'steps', passed: steps.every((step) => step.passed), steps }
    }
  }
}

/** Expressions of a case without obstacles all have a condition. */
export function segmentsOf(expressions: readonly Expression[]): readonly SegmentCondition[] {
  return expressions.flatMap(({ name, condition }) => (condition ? [{ name, condition }] : []))
}

/** Whether a condition holds, with the Segments that it refers to evaluated for the same person and instant. */
export function isIn(
  condition: Condition,
  person: Person,
  at: number,
  conditionOf: (segment: string) => Condition | null,
): boolean {
  const inSegment = (name: string): boolean => {
    const other = conditionOf(name)
    return other !== null && isIn(other, person, at, conditionOf)
  }
  return holds(condition, person, { now: at, inSegment })
}

export function conditionsOf(segments: readonly SegmentCondition[]): (segment: string) => Condition | null {
  const conditions = new Map(segments.map(({ name, condition }) => [name, condition]))
  return (name) => conditions.get(name) ?? null
}

/** Evaluates every step, fully and incrementally. */
async function runSteps(
  segments: readonly SegmentCondition[],
  steps: readonly Step[],
  engine: Engine,
): Promise<readonly StepResult[]> {
  const results: StepResult[] = []
  const nobody: ReadonlySet<string> = new Set()
  let before = { step: steps[0]!, full: nobody, carried: nobody }
  const qualified = qualifiedIn(segments)
  let memberships: ReadonlyMap<string, Memberships> = new Map()
  for (const [index, given] of steps.entries()) {
    const step = qualified.length === 0 ? given : withMemberships(given, memberships)
    const full = await engine(segments, step.people, step.at)
    let carried = full
    if (index > 0) {
      const stale = staleIds(segments, before.step, step)
      const again = await engine(segments, new Map([...step.people].filter(([id]) => stale.has(id))), step.at)
      carried = new Set([...[...before.carried].filter((id) => !stale.has(id)), ...again])
    }
    const [members, incremental] = [sorted(full), sorted(carried)]
    const entered = members.filter((id) => !before.full.has(id))
    const exited = sorted(before.full).filter((id) => !full.has(id))
    const fits = (wanted: readonly string[] | null, found: readonly string[]): boolean =>
      wanted === null || sameIds(wanted, found)
    results.push({
      step,
      members,
      entered,
      exited,
      incremental: index === 0 ? null : incremental,
      passed:
        sameIds(incremental, members) &&
        fits(step.members, members) &&
        fits(step.entered, entered) &&
        fits(step.exited, exited),
    })
    before = { step, full, carried }
    if (qualified.length > 0) memberships = await membershipsAfter(segments, qualified, step, engine)
  }
  return results
}

/** The Segments whose earlier membership is read. */
function qualifiedIn(segments: readonly SegmentCondition[]): readonly string[] {
  const names = new Set<string>()
  for (const { condition } of segments)
    visit(condition, (node) => {
      if (node.kind === 'qualified') names.add(node.segment)
    })
  return [...names]
}

/** People as the step before left them in their Segments; what a test says itself stands at its first instant. */
function withMemberships(step: Step, memberships: ReadonlyMap<string, Memberships>): Step {
  const people = [...step.people].map(([id, person]): [string, Person] => {
    const known = memberships.get(id)
    return [id, known ? { ...person, memberships: known } : person]
  })
  return { ...step, people: new Map(people) }
}

async function membershipsAfter(
  segments: readonly SegmentCondition[],
  names: readonly string[],
  { people, at }: Step,
  engine: Engine,
): Promise<ReadonlyMap<string, Memberships>> {
  const after = new Map<string, Memberships>()
  for (const name of names) {
    const target = segments.find((segment) => segment.name === name)
    if (!target) continue
    const members = await engine([target, ...segments.filter((segment) => segment !== target)], people, at)
    for (const [id, person] of people) {
      const known = after.get(id) ?? person.memberships ?? new Map()
      const was = known.get(name)
      const isMember = members.has(id)
      if (isMember === (was?.status === 'realized')) after.set(id, known)
      else after.set(id, new Map([...known, [name, { status: isMember ? 'realized' : 'exited', since: at }]]))
    }
  }
  return after
}

/** People who have to be evaluated again: their data changed, or time alone may have changed their membership. */
function staleIds(segments: readonly SegmentCondition[], before: Step, step: Step): ReadonlySet<string> {
  const target = segments[0]!
  const conditionOf = conditionsOf(segments)
  // Who came or left in a Segment that is read has new data, as far as the target goes.
  if (qualifiedIn(segments).length > 0) return new Set(step.people.keys())
  const stale = new Set(step.touched)
  for (const [id, person] of step.people) {
    if (stale.has(id)) continue
    const flip = nextFlip(target.condition, person, before.at, conditionOf)
    if (flip !== null && flip <= step.at) stale.add(id)
  }
  return stale
}

function sorted(ids: Iterable<string>): readonly string[] {
  return [...ids].sort()
}

function sameIds(wanted: readonly string[], found: readonly string[]): boolean {
  return wanted.length === found.length && wanted.every((id) => found.includes(id))
}
