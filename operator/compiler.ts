// Questions to the compiler and its answers, as values that can pass from one thread to another.
import { type Diagnostic, openSession, type Scheduled, type Session } from '#compiler'
import { canonicalJson, type Defaulted, type JobPlan } from '#crds'
import { type Definition, keyOf, type ResourceKey } from './definition.ts'
import { type Held, type Settled, settle } from './settle.ts'
import { type View, viewsOf } from './views.ts'

/** A namespace, as what changed since it was last asked about. */
export type Question = {
  /** Whether `set` holds the whole namespace: what was told before is forgotten. */
  readonly isWhole: boolean
  readonly set: readonly Definition[]
  readonly gone: readonly ResourceKey[]
  /** The latest expressions without an error, of the Segments whose expression differs from that by now. */
  readonly accepted: readonly (readonly [segment: string, expression: string])[]
  /** Segments of which Campaign has a delivery, listed by Activation. */
  readonly delivered: readonly (readonly [activation: string, segments: readonly string[]])[]
}

/** What Runs need to know of a linked Activation. */
export type ActivationFacts = {
  readonly name: string
  readonly store: string | null
  readonly instance: {
    readonly name: string
    readonly spec: Pick<Defaulted<'CampaignInstance'>, 'limits' | 'enforcement'>
  } | null
  readonly segments: readonly string[]
}

export type Slots = readonly Pick<Scheduled, 'schedule' | 'evaluation'>[]

/** What the compiler says of a namespace, and what of it can run, as far as Runs need that. */
export type Compiled = {
  /** Findings of Activations, and of the resources that these refer to. */
  readonly findings: ReadonlyMap<ResourceKey, readonly Diagnostic[]>
  readonly activations: ReadonlyMap<ResourceKey, ActivationFacts>
  readonly plans: ReadonlyMap<ResourceKey, JobPlan>
  readonly schedules: ReadonlyMap<ResourceKey, Slots>
  readonly held: ReadonlyMap<ResourceKey, readonly Held[]>
  /** ProfileStores that have a Dataset with an error, each with that Dataset's name. */
  readonly incomplete: ReadonlyMap<ResourceKey, string>
}

export type Answer = Omit<Compiled, 'plans'> & {
  /** The plan of each target; null: the plan is the same as in the answer before. */
  readonly plans: ReadonlyMap<ResourceKey, JobPlan | null>
  /** The views of the resources whose view changed. */
  readonly views: ReadonlyMap<ResourceKey, View>
}

/** A compilation that was ended without an answer, for the time or memory it would have taken; `reason` is a sentence. */
export type Stopped = { readonly stopped: string }

export type Compiler = {
  /** `make` is called when the question's turn has come; `isWhole`: the compiler knows nothing of the namespace, so tell all of it. */
  readonly ask: (namespace: string, make: (isWhole: boolean) => Question) => Promise<Answer | Stopped>
  /** Forgets what was told of a namespace. */
  readonly forget: (namespace: string) => void
  readonly stop: () => Promise<void>
}

/** Answers at once, on the calling thread: what the compiler's own thread runs, and tests with a clock of their own. */
export function compilerHere(): Compiler {
  const answers = openAnswers()
  return {
    ask: async (namespace, make) => answers.answer(namespace, make(!answers.knows(namespace))),
    forget: answers.forget,
    stop: async () => {},
  }
}

type State = {
  readonly session: Session
  readonly definitions: Map<ResourceKey, Definition>
  /** What was said of each resource, as text, to notice changes. */
  said: ReadonlyMap<ResourceKey, string>
  /** Digests of the plans that were sent, by target. */
  digests: ReadonlyMap<ResourceKey, string>
}

export function openAnswers(): {
  readonly answer: (namespace: string, question: Question) => Answer | Stopped
  readonly knows: (namespace: string) => boolean
  readonly forget: (namespace: string) => void
} {
  const states = new Map<string, State>()
  return {
    knows: (namespace) => states.has(namespace),
    forget: (namespace) => void states.delete(namespace),
    answer(namespace, { isWhole, set, gone, accepted, delivered }) {
      const known = isWhole ? undefined : states.get(namespace)
      const state = known ?? { session: openSession(), definitions: new Map(), said: new Map(), digests: new Map() }
      states.set(namespace, state)
      for (const key of gone) state.definitions.delete(key)
      for (const definition of set) state.definitions.set(keyOfDefinition(definition), definition)
      const expressions = new Map(accepted)
      const deliveries = new Map(delivered.map(([activation, segments]) => [activation, new Set(segments)]))
      const own = [...state.definitions.values()]
      const settled = settle({
        session: state.session,
        definitions: own,
        accepted: (segment) => expressions.get(segment) ?? null,
        hasRun: (activation, segment) => deliveries.get(activation)?.has(segment) === true,
      })
      const length = lengthOf(settled.plans.values())
      if (length > longestPlans) {
        states.delete(namespace)
        return {
          stopped: `The plans of this namespace come to ${inMillions(length)} characters of SQL; they may be ${inMillions(longestPlans)}.`,
        }
      }
      const views = viewsOf(settled, own)
      const before = state.said
      state.said = new Map(
        [...views].map(([key, view]) => [key, viewText(key, view, state.definitions.get(key)!, settled)]),
      )
      const sent = state.digests
      state.digests = new Map([...settled.plans].map(([key, { digest }]) => [key, digest]))
      return {
        views: new Map([...views].filter(([key]) => before.get(key) !== state.said.get(key))),
        plans: new Map([...settled.plans].map(([key, plan]) => [key, sent.get(key) === plan.digest ? null : plan])),
        ...factsOf(settled),
      }
    },
  }
}

/** The size of all plans above which no Job could be given one. 10,000 Segments of the usual size come to a tenth of it. */
const longestPlans = 100_000_000

function lengthOf(plans: Iterable<JobPlan>): number {
  let length = 0
  for (const { evaluate } of plans)
    for (const query of [evaluate?.full, evaluate?.streaming])
      if (query) length += query.duckdb.length + (query.spark?.length ?? 0) + (query.flips?.length ?? 0)
  return length
}

export function inMillions(count: number): string {
  return `${(count / 1e6).toFixed(0)} million`
}

function factsOf({ findings, activations, schedules, held, incomplete }: Settled): Omit<Compiled, 'plans'> {
  return {
    findings: new Map([...findings].filter(([key]) => /^(?:Activation|Destination|CampaignInstance)\//.test(key))),
    activations: new Map(
      [...activations].map(([key, { resource, store, instance, segments }]) => [
        key,
        {
          name: resource.name,
          store: store?.resource.name ?? null,
          instance: instance && {
            name: instance.name,
            spec: { limits: instance.spec.limits, enforcement: instance.spec.enforcement },
          },
          segments: segments.map((segment) => segment.resource.name),
        },
      ]),
    ),
    schedules: new Map(
      [...schedules].map(([key, slots]) => [key, slots.map(({ schedule, evaluation }) => ({ schedule, evaluation }))]),
    ),
    held,
    incomplete,
  }
}

function viewText(key: ResourceKey, view: View, { metadata }: Definition, settled: Settled): string {
  const plan = settled.plans.get(key)
  const scheduled = settled.schedules.get(key)
  return JSON.stringify([
    metadata.uid,
    metadata.generation,
    view,
    plan?.digest,
    scheduled && canonicalJson(JSON.parse(JSON.stringify(scheduled.map(({ schedule }) => schedule)))),
    settled.held.get(key),
  ])
}

/** What changed in a namespace since the compiler was told of it; all of it where it was not told before. */
export function changeOf(
  own: ReadonlyMap<ResourceKey, Definition>,
  asked: ReadonlyMap<ResourceKey, Definition> | undefined,
): Pick<Question, 'isWhole' | 'set' | 'gone'> {
  if (!asked) return { isWhole: true, set: [...own.values()], gone: [] }
  return {
    isWhole: false,
    set: [...own].flatMap(([key, definition]) => (asked.get(key) === definition ? [] : [definition])),
    gone: [...asked.keys()].filter((key) => !own.has(key)),
  }
}

export function keyOfDefinition({ kind, metadata }: Definition): ResourceKey {
  return keyOf({ kind, namespace: metadata.namespace ?? '', name: metadata.name })
}
