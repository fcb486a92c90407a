import type { Kind, TestCase, TestProfile, TestStep } from '#crds'
import { codes } from '../codes.ts'
import type { Diagnostic } from '../diagnostic.ts'
import type { LinkFinding } from '../finding.ts'
import { expressionFinding } from '../link-segments.ts'
import { type Model, type SegmentModel, segmentNames } from '../model.ts'
import type { SegmentNames } from '../pql/check.ts'
import type { PqlFault } from '../pql/fault.ts'
import { type DatumObject, type Memberships, type Person, readDatum } from '../pql/interpret.ts'
import { type Condition, visit } from '../pql/ir.ts'
import { type Path, placeOf, type Resource } from '../resource.ts'
import { dataTypeOf, type ObjectType, readUnionSchema, type UnionTypes, withTimestamp } from '../schema.ts'
import type { TestDocument } from '../source.ts'
import { alternatives, nearest } from '../suggest.ts'
import { misfitsOf } from './misfit.ts'

/** A SegmentTest, ready to run. */
export type Suite = {
  readonly document: TestDocument
  readonly types: UnionTypes
  readonly cases: readonly Case[]
}

export type Case = {
  readonly name: string
  /** The expression under test, then those of the Segments that it refers to, directly and through others. */
  readonly expressions: readonly Expression[]
  /** Faults of the expression under test. */
  readonly faults: readonly PqlFault[]
  /** The place in the suite of the expression, or of the reference to it. */
  readonly path: Path
  /** Why the case cannot run, as sentences: faults of the case, or of what it needs. An expected error is no obstacle. */
  readonly obstacles: readonly string[]
  readonly expected: Expectation
}

export type Expression = {
  /** The Segment's name, or `caseName` for the case's own expression. */
  readonly name: string
  readonly text: string
  /** null when the expression does not compile. */
  readonly condition: Condition | null
  readonly segments: SegmentNames
}

/** The name of a case's own expression among names of Segments; no Segment can have it. */
export const caseName = '$case'

export type Expectation =
  | { readonly kind: 'error'; readonly code: string }
  | { readonly kind: 'members'; readonly step: Step }
  | { readonly kind: 'timeline'; readonly steps: readonly Step[] }

/** An instant, the people as they are then, and what must be true of them. */
export type Step = {
  /** Epoch milliseconds. */
  readonly at: number
  readonly people: ReadonlyMap<string, Person>
  /** Ids of people whose data differ from the step before. */
  readonly touched: ReadonlySet<string>
  readonly members: readonly string[] | null
  readonly entered: readonly string[] | null
  readonly exited: readonly string[] | null
}

type Exists = (kind: Kind, namespace: string, name: string) => boolean

/**
 * Reads SegmentTests against the resources given with them. All their faults are in `findings`; a suite without a schema is left out.
 * `exists` knows resources that were read but are not well-formed.
 */
export function readSuites(
  documents: readonly TestDocument[],
  model: Model,
  exists: Exists,
): { readonly suites: readonly Suite[]; readonly findings: readonly LinkFinding[] } {
  const findings: LinkFinding[] = []
  const names = new Map<string, TestDocument>()
  const suites = documents.flatMap((document) => {
    const reader = new SuiteReader(document, model, exists, findings)
    const key = `${document.namespace}/${document.name}`
    const first = names.get(key)
    if (first)
      reader.report('invalid-value', ['metadata', 'name'], `There are two SegmentTests \`${document.name}\``, {
        help: 'Rename one of them, so that results can be told apart.',
        related: [{ resource: asResource(first), path: ['metadata', 'name'], message: 'the first of that name' }],
      })
    else names.set(key, document)
    return reader.suite() ?? []
  })
  return { suites, findings }
}

/** The faults of a case's expression as diagnostics, expected ones too. */
export function faultDiagnosticsOf({ document }: Suite, { faults, path }: Case): readonly Diagnostic[] {
  const isOwn = path.at(-1) === 'expression'
  return faults.map(({ code, message, severity, span, why, help }) => ({
    code,
    severity: severity ?? 'error',
    message,
    ...(why === undefined ? {} : { why }),
    ...(help === undefined ? {} : { help }),
    // A Segment's own text is elsewhere; only its name is here.
    ...placeOf(document, isOwn ? { path, range: span } : { path }),
    related: [],
    fixes: [],
  }))
}

/** The document as a resource: findings read only name and origin, and a SegmentTest has both. */
function asResource(document: TestDocument): Resource {
  return document as unknown as Resource
}

/** What a suite's expressions are read with: types, and Segments that can be referred to. */
type Environment = {
  readonly types: UnionTypes
  /** Whether the schema has faults: names that do not resolve in it may be a consequence. */
  readonly isFaulty: boolean
  readonly segments: SegmentNames
  readonly expressionOf: (segment: SegmentModel) => { readonly faults: readonly PqlFault[] } & Expression
}

class SuiteReader {
  readonly document: TestDocument
  readonly model: Model
  readonly exists: Exists
  readonly findings: LinkFinding[]
  /** How many findings of this suite are errors. */
  errors = 0

  constructor(document: TestDocument, model: Model, exists: Exists, findings: LinkFinding[]) {
    this.document = document
    this.model = model
    this.exists = exists
    this.findings = findings
  }

  report(
    code: LinkFinding['code'],
    path: Path,
    message: string,
    more: Pick<LinkFinding, 'help'> & Partial<Pick<LinkFinding, 'on' | 'related' | 'fixes' | 'severity'>>,
  ): void {
    if (more.severity === undefined) this.errors += 1
    this.findings.push({ code, resource: asResource(this.document), path, message, ...more })
  }

  suite(): Suite | null {
    const { spec } = this.document
    const environment = spec.profileStoreRef ? this.storeEnvironment(spec.profileStoreRef.name) : this.ownEnvironment()
    if (!environment) return null
    const shared = this.people(spec.profiles ?? [], ['spec', 'profiles'], environment)
    const names = new Map<string, number>()
    const cases = spec.cases.map((each, index) => {
      const path = ['spec', 'cases', index]
      const first = names.get(each.name)
      if (first === undefined) names.set(each.name, index)
      else
        this.report('invalid-value', [...path, 'name'], `There are two cases \`${each.name}\``, {
          help: 'Rename one of them, so that results can be told apart.',
          related: [
            {
              resource: asResource(this.document),
              path: ['spec', 'cases', first, 'name'],
              message: 'the first of that name',
            },
          ],
        })
      return this.case(each, path, environment, shared)
    })
    return { document: this.document, types: environment.types, cases }
  }

  storeEnvironment(name: string): Environment | null {
    const { namespace } = this.document
    const store = this.model.stores.find(({ resource }) => resource.namespace === namespace && resource.name === name)
    if (!store) {
      this.unresolved('ProfileStore', name, ['spec', 'profileStoreRef', 'name'])
      return null
    }
    const segments = segmentNames(this.model, namespace, store)
    return {
      types: store.types,
      isFaulty: store.faulty,
      segments,
      expressionOf: (segment) => ({
        name: segment.resource.name,
        text: segment.resource.spec.expression,
        condition: segment.condition,
        segments,
        faults: segment.checked?.faults ?? [],
      }),
    }
  }

  /** The suite's own schema: all Segments of the namespace are read with it, whichever store they belong to. */
  ownEnvironment(): Environment {
    const { schema } = this.document.spec
    const read = (part: 'profile' | 'event', value: unknown): ObjectType => {
      const { type, faults } = readUnionSchema(value, part)
      for (const fault of faults)
        this.report(fault.code, ['spec', 'schema', part, ...fault.path], fault.message, {
          help: fault.help,
          ...(fault.code === 'unknown-field' ? { on: 'key' as const } : {}),
        })
      return type
    }
    const before = this.findings.length
    const types = {
      profile: read('profile', schema?.profile),
      event: schema?.event === undefined ? null : withTimestamp(read('event', schema.event)),
    }
    const segments = segmentNames(this.model, this.document.namespace, null)
    return {
      types,
      isFaulty: this.findings.length > before,
      segments,
      expressionOf: (segment) => {
        const { name, spec } = segment.resource
        const { condition, faults } = this.model.check(spec.expression, { types, segments })
        return { name, text: spec.expression, condition, segments, faults }
      },
    }
  }

  unresolved(kind: 'ProfileStore' | 'Segment', name: string, path: Path): void {
    const { namespace } = this.document
    if (this.exists(kind, namespace, name)) return
    const names = this.model
      .of(kind)
      .filter((resource) => resource.namespace === namespace)
      .map((resource) => resource.name)
    const near = nearest(name, names)
    this.report('unresolved-reference', path, `There is no ${kind} \`${name}\` in namespace \`${namespace}\``, {
      help:
        near.length > 0
          ? `Did you mean ${alternatives(near)}?`
          : names.length > 0
            ? `There ${names.length === 1 ? 'is' : 'are'} ${alternatives(names.slice(0, 5))}. Name one of them, or add the ${kind}.`
            : `Add the ${kind}, or give its file to the command too.`,
      fixes: near.map((candidate) => ({
        title: `Replace with \`${candidate}\``,
        safety: 'review' as const,
        path,
        value: candidate,
      })),
    })
  }

  /** The people of a suite or case. */
  people(profiles: readonly TestProfile[], path: Path, environment: Environment): People {
    const people = new Map<string, Person>()
    const before = this.errors
    for (const [index, { id, attributes = {}, events = [], segmentMembership: memberships }] of profiles.entries()) {
      const here = [...path, index]
      if (people.has(id))
        this.report('invalid-value', [...here, 'id'], `There are two profiles \`${id}\``, {
          help: 'Rename one of them, or put their data into one.',
        })
      people.set(id, {
        attributes: this.attributes(attributes, [...here, 'attributes'], environment),
        events: events.map((event, number) => this.event(event, [...here, 'events', number], environment)),
        ...(memberships && { memberships: this.memberships(memberships, [...here, 'segmentMembership'], environment) }),
      })
    }
    return { people, areSound: this.errors === before }
  }

  memberships(
    given: NonNullable<TestProfile['segmentMembership']>,
    path: Path,
    { segments }: Environment,
  ): Memberships {
    for (const name of Object.keys(given))
      if (!segments.has(name))
        this.report('invalid-value', [...path, name], `There is no Segment \`${name}\` in this test`, {
          help: 'Name a Segment of the same ProfileStore, or add it.',
          on: 'key',
        })
    return new Map(
      Object.entries(given).map(([name, { status, lastQualificationTime }]) => [
        name,
        { status, since: Date.parse(lastQualificationTime) },
      ]),
    )
  }

  attributes(value: unknown, path: Path, environment: Environment): DatumObject {
    this.misfits(value, environment.types.profile, path, environment.isFaulty)
    return objectOf(value, environment.types.profile)
  }

  event(value: unknown, path: Path, environment: Environment): DatumObject {
    const type = environment.types.event
    if (!type) {
      this.report('invalid-value', path, 'There are no events here: the schema has no `event` part', {
        help: 'Add `event` to the schema, or leave the events out.',
        on: 'key',
      })
      return {}
    }
    this.misfits(value, type, path, environment.isFaulty)
    return objectOf(value, type)
  }

  misfits(value: unknown, type: ObjectType, path: Path, isFaulty: boolean): void {
    for (const { code, path: inner, message, help, on, severity } of misfitsOf(value, type))
      if (code !== 'unknown-attribute' || !isFaulty)
        this.report(code, [...path, ...inner], message, { help, on, ...(severity ? { severity } : {}) })
  }

  case(each: TestCase, path: Path, environment: Environment, shared: People): Case {
    const before = this.errors
    const { people, areSound } = each.profiles ? this.people(each.profiles, [...path, 'profiles'], environment) : shared
    const expected = this.expectation(each, path, environment, people)
    const isSound = areSound && this.errors === before
    const target = each.segmentRef
      ? this.segment(each.segmentRef.name, [...path, 'segmentRef', 'name'], environment)
      : this.expression(each.expression ?? '', [...path, 'expression'], environment, each.error)
    const obstacles: string[] = []
    if (!isSound) obstacles.push('There are findings in the test itself.')
    if (!target) obstacles.push(`Segment \`${each.segmentRef?.name}\` is not one of this store, or not well-formed.`)
    const expressions = target ? [target.expression] : []
    if (target && expected?.kind !== 'error') {
      // Expressions that are found on the way are looked into as well.
      for (const { condition, name } of expressions) {
        if (!condition) {
          if (name === caseName) obstacles.push('The expression does not compile.')
          else obstacles.push(`Segment \`${name}\` does not compile.`)
        }
        for (const reference of condition ? segmentsIn(condition) : []) {
          const segment = this.segmentNamed(reference, environment)
          if (segment && !expressions.some((known) => known.name === reference))
            expressions.push(this.fitting(segment, target.path, environment))
        }
      }
      const cycle = cycleIn(expressions)
      if (cycle) obstacles.push(`Segment \`${cycle}\` refers to itself.`)
    }
    return {
      name: each.name,
      expressions,
      faults: target?.faults ?? [],
      path: target?.path ?? path,
      obstacles: [...new Set(obstacles)],
      expected: expected ?? { kind: 'members', step: { ...emptyStep, people } },
    }
  }

  segment(name: string, path: Path, environment: Environment): Target | null {
    const segment = this.segmentNamed(name, environment)
    if (!segment) {
      const elsewhere = this.model.segmentNamed(this.document.namespace, name)
      if (elsewhere?.store)
        this.report(
          'invalid-value',
          path,
          `Segment \`${name}\` belongs to the ProfileStore \`${elsewhere.store.resource.name}\``,
          { help: 'Name a Segment of the same ProfileStore, or test it in a suite of its own.' },
        )
      else if (!elsewhere) this.unresolved('Segment', name, path)
      return null
    }
    return {
      expression: this.fitting(segment, path, environment),
      faults: environment.expressionOf(segment).faults,
      path,
    }
  }

  segmentNamed(name: string, { segments }: Environment): SegmentModel | null {
    return segments.has(name) ? this.model.segmentNamed(this.document.namespace, name) : null
  }

  /** A Segment's expression; where it does not fit the suite's own schema, the reference to it has the fault. */
  fitting(segment: SegmentModel, path: Path, environment: Environment): Expression {
    const { faults, ...expression } = environment.expressionOf(segment)
    const fault = faults.find(({ severity }) => severity !== 'warning')
    const isOwnSchema = this.document.spec.profileStoreRef === undefined
    if (isOwnSchema && fault && !environment.isFaulty)
      this.report('invalid-value', path, `Segment \`${expression.name}\` does not fit the schema of this test`, {
        help: `${fault.message}. Add what it reads to the schema, or name its store with \`profileStoreRef\`.`,
      })
    return expression
  }

  expression(text: string, path: Path, environment: Environment, expected: string | undefined): Target {
    const { types, segments } = environment
    const { condition, faults } = this.model.check(text, { types, segments })
    const isExpected = expected !== undefined && faults.some((fault) => fault.code === expected)
    for (const fault of faults) {
      if (isExpected && fault.severity !== 'warning') continue
      if (
        fault.code === 'unresolved-reference' &&
        this.exists('Segment', this.document.namespace, text.slice(fault.span.start, fault.span.end))
      )
        continue
      if (fault.code === 'unknown-attribute' && environment.isFaulty) continue
      this.findings.push(expressionFinding(fault, asResource(this.document), path))
    }
    return { expression: { name: caseName, text, condition, segments }, faults, path }
  }

  expectation(
    each: TestCase,
    path: Path,
    environment: Environment,
    people: ReadonlyMap<string, Person>,
  ): Expectation | null {
    const given = (['members', 'error', 'timeline'] as const).filter((field) => each[field] !== undefined)
    if (given.length === 0)
      this.report('missing-field', path, `Case \`${each.name}\` expects nothing`, {
        help: 'Add `members`, a `timeline` or an `error`.',
        on: 'key',
      })
    if (given.length > 1)
      this.report('invalid-value', [...path, given[1]!], 'A case takes only one of `members`, `error` or `timeline`', {
        help: `Remove \`${given[0]}\` or \`${given[1]}\`.`,
        on: 'key',
      })
    if (each.error !== undefined) return this.error(each.error, [...path, 'error'])
    if (each.timeline) {
      if (each.at !== undefined)
        this.report('invalid-value', [...path, 'at'], 'A case with a `timeline` has an instant for each step', {
          help: 'Remove this `at`.',
          on: 'key',
        })
      return { kind: 'timeline', steps: this.timeline(each.timeline, [...path, 'timeline'], environment, people) }
    }
    if (!each.members) return null
    this.ids(each.members, [...path, 'members'], people)
    const at = each.at ?? this.document.spec.at
    if (at === undefined) {
      this.report('missing-field', path, `Case \`${each.name}\` has no evaluation instant`, {
        help: 'Add `at` to the case, or to the whole test.',
        on: 'key',
      })
      return null
    }
    return { kind: 'members', step: { ...emptyStep, at: Date.parse(at), people, members: each.members } }
  }

  error(code: string, path: Path): Expectation {
    if (!codes.some((known) => known === code)) {
      const near = nearest(code, codes)
      this.report('invalid-value', path, `There is no code \`${code}\``, {
        help: near.length > 0 ? `Did you mean ${alternatives(near)}?` : '`convoke explain` lists them.',
        fixes: near.slice(0, 1).map((candidate) => ({
          title: `Replace with \`${candidate}\``,
          safety: 'review' as const,
          path,
          value: candidate,
        })),
      })
    }
    return { kind: 'error', code }
  }

  timeline(
    steps: readonly TestStep[],
    path: Path,
    environment: Environment,
    people: ReadonlyMap<string, Person>,
  ): readonly Step[] {
    let current = people
    let before = Number.NEGATIVE_INFINITY
    return steps.map((step, index) => {
      const here = [...path, index]
      const at = Date.parse(step.at)
      if (at < before)
        this.report('invalid-value', [...here, 'at'], `\`${step.at}\` lies before the step before it`, {
          help: 'Put the steps in the order of time.',
        })
      before = at
      const now = new Map(current)
      const touched = new Set<string>()
      for (const [number, { id, attributes }] of (step.profiles ?? []).entries()) {
        const place = [...here, 'profiles', number, 'attributes']
        now.set(id, { attributes: this.attributes(attributes, place, environment), events: now.get(id)?.events ?? [] })
        touched.add(id)
      }
      for (const [number, { profile, ...event }] of (step.events ?? []).entries()) {
        const place = [...here, 'events', number]
        const person = now.get(profile)
        if (!person) {
          this.unknownProfile(profile, [...place, 'profile'], now)
          continue
        }
        const happened = this.event({ timestamp: step.at, ...event }, place, environment)
        now.set(profile, { ...person, events: [...person.events, happened] })
        touched.add(profile)
      }
      for (const field of ['members', 'entered', 'exited'] as const) this.ids(step[field] ?? [], [...here, field], now)
      if (!step.members && !step.entered && !step.exited && index === steps.length - 1)
        this.report('missing-field', here, 'The last step expects nothing', {
          help: 'Add `members`, `entered` or `exited`.',
          on: 'key',
        })
      current = now
      return {
        at,
        people: now,
        touched,
        members: step.members ?? null,
        entered: step.entered ?? null,
        exited: step.exited ?? null,
      }
    })
  }

  ids(ids: readonly string[], path: Path, people: ReadonlyMap<string, Person>): void {
    for (const [index, id] of ids.entries()) {
      if (!people.has(id)) this.unknownProfile(id, [...path, index], people)
      else if (ids.indexOf(id) < index)
        this.report('invalid-value', [...path, index], `\`${id}\` is listed twice`, { help: 'Remove one of the two.' })
    }
  }

  unknownProfile(id: string, path: Path, people: ReadonlyMap<string, Person>): void {
    const near = nearest(id, people.keys())
    this.report('invalid-value', path, `There is no profile \`${id}\``, {
      help:
        near.length > 0
          ? `Did you mean ${alternatives(near)}?`
          : people.size > 0
            ? `There ${people.size === 1 ? 'is' : 'are'} ${alternatives([...people.keys()].slice(0, 5))}.`
            : 'Add it to `profiles`.',
      fixes: near.map((candidate) => ({
        title: `Replace with \`${candidate}\``,
        safety: 'review' as const,
        path,
        value: candidate,
      })),
    })
  }
}

type People = { readonly people: ReadonlyMap<string, Person>; readonly areSound: boolean }

type Target = { readonly expression: Expression; readonly faults: readonly PqlFault[]; readonly path: Path }

const emptyStep: Step = {
  at: 0,
  people: new Map(),
  touched: new Set(),
  members: null,
  entered: null,
  exited: null,
}

/** The object; null where the value is none. */
function objectOf(value: unknown, type: ObjectType): DatumObject {
  return (readDatum(value, dataTypeOf(type)) as DatumObject | null) ?? {}
}

function segmentsIn(condition: Condition): readonly string[] {
  const names = new Set<string>()
  visit(condition, (node) => {
    if (node.kind === 'segment') names.add(node.name)
    if (node.kind === 'qualified') names.add(node.segment)
  })
  return [...names]
}

/** A Segment whose references lead back to itself; null where there is none. */
function cycleIn(expressions: readonly Expression[]): string | null {
  const references = new Map(
    expressions.map(({ name, condition }) => [name, condition ? segmentsIn(condition) : []] as const),
  )
  for (const name of references.keys()) {
    const reached = new Set(references.get(name))
    for (const next of reached) for (const further of references.get(next) ?? []) reached.add(further)
    if (reached.has(name)) return name
  }
  return null
}
