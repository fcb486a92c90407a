import { type Diagnostic, effectiveLatency } from '#compiler'
import { type Kind, referredKind, type StatusOf } from '#crds'
import { type Claim, reasonOfCode } from '#protocol'
import { type Definition, keyOf, type ResourceKey } from './definition.ts'
import { hasError, isFatal, type Settled, summaryOf } from './settle.ts'

/** What a resource's status says by the compiler alone. Runs add to it for resources that run. */
export type View = {
  readonly claims: readonly Claim[]
  /** Fields of the status beside the conditions; undefined removes a field. */
  readonly fields: Readonly<Record<string, unknown>>
  /** Whether new Runs of the resource may be made. */
  readonly isRunnable: boolean
}

/** One view for each resource of a namespace; the same resources give the same views. */
export function viewsOf(settled: Settled, definitions: readonly Definition[]): ReadonlyMap<ResourceKey, View> {
  const facts = factsOf(settled)
  const errors = new Map<ResourceKey, Diagnostic>()
  for (const [key, findings] of settled.findings) {
    const error = findings.find(isFatal)
    if (error) errors.set(key, error)
  }
  return new Map(
    definitions.map((definition) => {
      const { kind, metadata } = definition
      const key = keyOf({ kind, namespace: metadata.namespace ?? '', name: metadata.name })
      const findings = settled.findings.get(key) ?? []
      const broken = brokenNeedOf(definition, key, errors, settled)
      return [key, { ...viewOf(definition, key, findings, broken, settled, facts) }]
    }),
  )
}

type Facts = {
  readonly digests: ReadonlyMap<ResourceKey, string>
  readonly activationsOfSegment: ReadonlyMap<ResourceKey, number>
  readonly activationsOfDestination: ReadonlyMap<ResourceKey, number>
  readonly heldSegments: ReadonlyMap<ResourceKey, string>
}

function factsOf({ plans, model, held }: Settled): Facts {
  const digests = new Map<ResourceKey, string>()
  for (const { target, evaluate } of plans.values())
    for (const { name, digest } of evaluate?.segments ?? []) digests.set(`Segment/${target.namespace}/${name}`, digest)
  const activationsOfSegment = new Map<ResourceKey, number>()
  const activationsOfDestination = new Map<ResourceKey, number>()
  const add = (counts: Map<ResourceKey, number>, key: ResourceKey): void =>
    void counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const { destination, segments } of model.activations) {
    if (destination) add(activationsOfDestination, keyOf(destination))
    for (const { resource } of segments) add(activationsOfSegment, keyOf(resource))
  }
  const heldSegments = new Map<ResourceKey, string>()
  for (const [activation, entries] of held)
    for (const { segment, reason, message } of entries)
      if (reason === 'TooManySegments') heldSegments.set(`Segment/${activation.split('/')[1]!}/${segment}`, message)
  return { digests, activationsOfSegment, activationsOfDestination, heldSegments }
}

/** The first resource with an error that this one directly refers to and needs, in words; null where all is in order. */
function brokenNeedOf(
  definition: Definition,
  own: ResourceKey,
  errors: ReadonlyMap<ResourceKey, Diagnostic>,
  settled: Settled,
): string | null {
  const namespace = definition.metadata.namespace ?? ''
  const needs: (readonly [Kind, string | undefined])[] = Object.entries(definition.spec).flatMap(([field, value]) => {
    const kind = referredKind(field)
    // Of a list, such as an Activation's Segments, the others go on without the broken one.
    return kind === null || value === undefined || Array.isArray(value)
      ? []
      : [[kind, (value as { readonly name: string } | undefined)?.name]]
  })
  if (definition.kind === 'Activation') {
    const activation = settled.activations.get(own)
    needs.push(['CampaignInstance', activation?.instance?.name], ['ProfileStore', activation?.store?.resource.name])
  }
  for (const [kind, name] of needs) {
    if (name === undefined) continue
    const error = errors.get(`${kind}/${namespace}/${name}`)
    if (error) return `The ${kind} ${name} has an error: ${error.code}: ${error.message}.`
  }
  return null
}

function viewOf(
  definition: Definition,
  key: ResourceKey,
  findings: readonly Diagnostic[],
  broken: string | null,
  settled: Settled,
  facts: Facts,
): View {
  const { kind, metadata } = definition
  const failed = hasError(findings)
  const passed = guardrails(findings)
  const compileFailed = (message: string): Claim[] => [
    { type: 'Ready', status: 'False', reason: 'CompileFailed', message },
    { type: 'Stalled', status: 'True', reason: 'CompileFailed', message },
    passed,
  ]
  const waiting = (message: string): Claim[] => [
    { type: 'Ready', status: 'False', reason: 'WaitingForDependency', message },
    { type: 'Reconciling', status: 'True', reason: 'WaitingForDependency', message },
    passed,
  ]
  const ready = (message: string): Claim[] => [{ type: 'Ready', status: 'True', reason: 'Ready', message }, passed]
  const plain = (fields: View['fields'] = {}, isRunnable = false, message = ''): View => ({
    claims: failed
      ? compileFailed(summaryOf(findings.filter(isFatal)))
      : broken !== null
        ? waiting(broken)
        : ready(message),
    fields,
    isRunnable: isRunnable && !failed && broken === null,
  })

  switch (kind) {
    case 'Organization':
    case 'Dataset':
      return plain()
    case 'Destination':
      return plain({ activations: facts.activationsOfDestination.get(key) ?? 0 })
    case 'Segment':
      return segmentView(definition as Definition<'Segment'>, key, plain, settled, facts, failed)
    case 'CampaignInstance':
      return plain(instanceFields(metadata.name, metadata.namespace ?? '', settled))
    case 'ProfileStore': {
      const plan = settled.plans.get(key)
      const incomplete = settled.incomplete.get(key)
      const segments = plan?.evaluate?.segments.length ?? 0
      const view = plain({ segments }, plan !== undefined, `${segments} Segments.`)
      if (incomplete === undefined || failed || broken !== null) return view
      const message = `The Dataset ${incomplete} has an error; until it is corrected, the plan before is run.`
      return { ...view, claims: waiting(message), isRunnable: true }
    }
    case 'Activation': {
      const held = settled.held.get(key) ?? []
      const plan = settled.plans.get(key)
      const segments = plan?.export?.segments.length ?? 0
      const fields = { segments }
      if (held.length === 0) {
        const view = plain(fields, plan !== undefined, `${segments} Segments.`)
        // A fault that nothing hangs on, such as a Segment that is listed twice.
        const isHarmless = failed && plan !== undefined && broken === null
        return isHarmless
          ? { ...view, claims: view.claims.filter(({ type }) => type !== 'Stalled'), isRunnable: true }
          : view
      }
      // Some of its Segments have a fault: the finding is on the Activation or on them, and the others go on.
      if (segments === 0) {
        const message = `No Segment can be delivered. ${held.map(({ segment, message }) => `${segment}: ${message}`).join('\n')}`
        return { claims: compileFailed(message), fields, isRunnable: false }
      }
      const message = `${segments} of ${segments + held.length} Segments are delivered. ${held.map(({ segment, message }) => `${segment} is held: ${message}.`).join('\n')}`
      const claims: Claim[] = [{ type: 'Ready', status: 'False', reason: 'SegmentsHeld', message }, passed]
      return {
        claims: broken === null ? claims : waiting(broken),
        fields,
        isRunnable: plan !== undefined && broken === null,
      }
    }
    case 'CampaignSource':
      return plain({}, settled.plans.has(key))
    case 'Run':
      return plain()
  }
}

function segmentView(
  { metadata, spec }: Definition<'Segment'>,
  key: ResourceKey,
  plain: (fields?: View['fields'], isRunnable?: boolean, message?: string) => View,
  settled: Settled,
  facts: Facts,
  failed: boolean,
): View {
  const model = settled.segments.get(key)
  const fields: Partial<Record<keyof StatusOf<'Segment'>, unknown>> = {
    digest: facts.digests.get(key),
    ...(!failed && { acceptedExpression: spec.expression }),
    effectiveLatency: model ? effectiveLatency(model, settled.model).text : undefined,
    activations: facts.activationsOfSegment.get(key) ?? 0,
  }
  const view = plain(fields)
  const withMessage = (type: Claim['type'], change: Partial<Claim>): View => ({
    ...view,
    claims: view.claims.map((claim) => (claim.type === type ? { ...claim, ...change } : claim)),
  })
  if (failed && settled.outdated.has(key)) {
    const { message } = view.claims[0]!
    return withMessage('Ready', { message: `${message}\nUntil it is corrected, the expression before is evaluated.` })
  }
  const held = facts.heldSegments.get(key)
  if (!failed && held !== undefined)
    return withMessage('Ready', {
      status: 'False',
      reason: 'TooManySegments',
      message: `${held}. It is evaluated and not delivered.`,
    })
  const refersToBroken = model !== undefined && model.condition === null
  if (!failed && refersToBroken)
    return withMessage('Ready', {
      status: 'False',
      reason: 'WaitingForDependency',
      message: `It refers to a Segment that does not compile: ${metadata.name} is not evaluated.`,
    })
  return view
}

function instanceFields(name: string, namespace: string, { model, held }: Settled): View['fields'] {
  const instance = model.instances.find(({ resource }) => resource.name === name && resource.namespace === namespace)
  const activations = model.activations.filter(
    (activation) => activation.instance?.name === name && activation.resource.namespace === namespace,
  )
  const segments = new Set(
    activations.flatMap((activation) => activation.segments.map(({ resource }) => resource.name)),
  )
  const beyond = new Set(
    activations.flatMap(({ resource }) =>
      (held.get(keyOf(resource)) ?? [])
        .filter(({ reason }) => reason === 'TooManySegments')
        .map(({ segment }) => segment),
    ),
  )
  return {
    segments: segments.size,
    segmentLimit: instance?.resource.spec.limits.segments,
    heldSegments: beyond.size,
    destinations: instance?.destinations.length ?? 0,
  }
}

function guardrails(findings: readonly Diagnostic[]): Claim {
  const [first] = onlyErrors(findings)
  return first
    ? {
        type: 'GuardrailsPassed',
        status: 'False',
        reason: reasonOfCode(first.code),
        message: summaryOf(onlyErrors(findings)),
      }
    : { type: 'GuardrailsPassed', status: 'True', reason: 'GuardrailsPassed', message: summaryOf(findings) }
}

function onlyErrors(findings: readonly Diagnostic[]): readonly Diagnostic[] {
  return findings.filter(({ severity }) => severity === 'error')
}
