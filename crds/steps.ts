import type { JobPlan } from './generated/job-plan.ts'

type StepFacts = {
  /** What `convoke --help` says of the step. */
  readonly summary: string
  /** The verb on pages, behind the name of what is run. */
  readonly verb: string
  /** The resource that owns the place the step works on; its `podTemplate` is used for the step's Pods. */
  readonly owner: (plan: JobPlan) => Owner | null
  /** Whether the step's outcome can only be stored with what it reported of every Segment. */
  readonly settlesSegments: boolean
}

type Owner = { readonly kind: 'ProfileStore' | 'Destination' | 'CampaignInstance'; readonly name: string }

/**
 * The steps of Jobs: one row each, named like the part of the JobPlan that describes it. A plan's steps run in this order, each when the
 * result of the one before is stored.
 */
export const steps = {
  ingest: {
    summary: 'read Datasets into the ProfileStore',
    verb: 'read',
    owner: storeOf,
    settlesSegments: false,
  },
  evaluate: {
    summary: 'evaluate all Segments of a ProfileStore in one shared scan',
    verb: 'evaluate',
    owner: storeOf,
    settlesSegments: false,
  },
  export: {
    summary: "deliver an Activation's files",
    verb: 'write',
    owner: (plan) => (plan.export ? { kind: 'Destination', name: plan.export.destination.name } : null),
    settlesSegments: true,
  },
  import: {
    summary: "load delivered files into Campaign's database",
    verb: 'load',
    owner: (plan) => instanceNamed(plan.import?.instance),
    settlesSegments: true,
  },
  extract: {
    summary: "read Campaign's logs into the ProfileStore",
    verb: 'read back from Campaign',
    owner: (plan) => instanceNamed(plan.extract?.instance),
    settlesSegments: false,
  },
} as const satisfies Readonly<Partial<Record<keyof JobPlan, StepFacts>>>

export type Step = keyof typeof steps

// The keys of a table of literals, in its order.
export const stepNames = Object.keys(steps) as unknown as readonly [Step, ...Step[]]

export function stepsOf(plan: JobPlan): readonly Step[] {
  return stepNames.filter((step) => plan[step] !== undefined)
}

/** Claims and Secrets that a step needs, each once and by name: those that its part of the plan and the store name anywhere. */
export function mountsOf(
  plan: JobPlan,
  step: Step,
): { readonly claims: readonly string[]; readonly secrets: readonly string[] } {
  const claims = new Set<string>()
  const secrets = new Set<string>()
  const walk = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return
    for (const [field, value] of Object.entries(part)) {
      if (field === 'claimName') claims.add(value)
      else if (field.endsWith('SecretRef')) secrets.add(value.name)
      else walk(value)
    }
  }
  walk(plan.store)
  walk(plan[step])
  return { claims: [...claims].sort(), secrets: [...secrets].sort() }
}

function storeOf({ store }: JobPlan): Owner | null {
  return store ? { kind: 'ProfileStore', name: store.name } : null
}

function instanceNamed(name: string | undefined): Owner | null {
  return name === undefined ? null : { kind: 'CampaignInstance', name }
}
