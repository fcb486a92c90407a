import {
  type ActivationModel,
  type Compilation,
  compileObjects,
  type Delivery,
  type Diagnostic,
  type Model,
  openSession,
  pathText,
  type Scheduled,
  type SegmentModel,
  type Session,
  schedulesOf,
} from '#compiler'
import type { JobPlan, Kind } from '#crds'
import { type Definition, keyOf, type ResourceKey } from './definition.ts'

/** Why a Segment of an Activation is not delivered for now. */
export type Held = {
  readonly segment: string
  readonly reason: 'CompileFailed' | 'TooManySegments'
  readonly message: string
}

/** What the compiler says of a namespace, and what of it can run. */
export type Settled = {
  /** Findings of the resources as they are written. */
  readonly findings: ReadonlyMap<ResourceKey, readonly Diagnostic[]>
  /** The model of what can run: without broken Segments, and without Segments beyond a limit. */
  readonly model: Model
  readonly segments: ReadonlyMap<ResourceKey, SegmentModel>
  readonly activations: ReadonlyMap<ResourceKey, ActivationModel>
  readonly plans: ReadonlyMap<ResourceKey, JobPlan>
  readonly schedules: ReadonlyMap<ResourceKey, readonly Scheduled[]>
  /** The Segments held, by Activation. */
  readonly held: ReadonlyMap<ResourceKey, readonly Held[]>
  /** ProfileStores that have a Dataset with an error: a plan without that Dataset's records would make people leave their Segments. */
  readonly incomplete: ReadonlyMap<ResourceKey, string>
  /** Segments that are evaluated by their latest expression without an error. */
  readonly outdated: ReadonlySet<ResourceKey>
}

export type SettleInput = {
  /** All of one namespace, in any order. */
  readonly definitions: readonly Definition[]
  /** The latest expression of a Segment that had no error; null where the operator has seen none. */
  readonly accepted: (segment: string) => string | null
  /** Whether Campaign has a delivery of the Segment already: such a Segment has precedence over one that never ran. */
  readonly hasRun: (activation: string, segment: string) => boolean
  /** What compiling this namespace found out before. */
  readonly session?: Session
}

/**
 * What of a namespace can run. A broken Segment never stops its neighbours: what cannot run is taken out, step by step, until the rest
 * compiles. Each that is taken out has a reason.
 */
export function settle({ definitions, accepted, hasRun, session = openSession() }: SettleInput): Settled {
  const written = compileObjects(definitions, { session })
  const findings = Map.groupBy(
    written.diagnostics.filter((diagnostic) => diagnostic.resource !== null),
    ({ resource }) => keyOf(resource as { kind: Kind; namespace: string; name: string }), // findings in resources of the API server
  )
  const byKey = new Map(definitions.map((definition) => [keyOfDefinition(definition), definition]))
  const outdated = new Set<ResourceKey>()
  for (const [key, definition] of byKey) {
    if (definition.kind !== 'Segment' || !hasError(findings.get(key))) continue
    const expression = accepted(definition.metadata.name)
    const segment = definition as Definition<'Segment'>
    if (expression === null || expression === segment.spec.expression) continue
    byKey.set(key, { ...segment, spec: { ...segment.spec, expression } } as Definition)
    outdated.add(key)
  }
  let changed = outdated.size > 0
  for (const [key, definition] of byKey) {
    const once = withoutRepetition(definition)
    if (once === definition) continue
    byKey.set(key, once)
    changed = true
  }

  const held = new Map<ResourceKey, Map<string, Held>>()
  const hold = (activation: ResourceKey, entry: Held): void => {
    held.set(activation, (held.get(activation) ?? new Map<string, Held>()).set(entry.segment, entry))
  }
  let compilation = !changed ? written : compileObjects([...byKey.values()], { session })
  // Each round takes something out, so at most as many rounds as Segments are needed; in practice two.
  for (let round = 0; round < 30; round += 1) {
    const out = [
      ...brokenSegments(compilation, byKey),
      ...deliveriesAtFault(compilation, hasRun),
      ...segmentsBeyondLimits(compilation.model, hasRun),
    ]
    if (out.length === 0) break
    for (const { activation, ...entry } of out) hold(activation, entry)
    for (const [key, names] of Map.groupBy(out, ({ activation }) => activation))
      byKey.set(
        key,
        withoutSegments(
          byKey.get(key)!,
          names.map(({ segment }) => segment),
          compilation.model,
        ),
      )
    compilation = compileObjects([...byKey.values()], { session })
  }
  const errors = errorsOf(compilation)
  for (const key of [...outdated]) if (errors.has(key)) outdated.delete(key)
  const { model } = compilation
  return {
    findings,
    model,
    segments: new Map(model.segments.map((segment) => [keyOf(segment.resource), segment])),
    activations: new Map(model.activations.map((activation) => [keyOf(activation.resource), activation])),
    plans: new Map(compilation.plans.map((plan) => [keyOf(plan.target), plan])),
    // An Activation whose last Segment was taken out still has to say that its members exit, so it keeps its schedule.
    schedules: new Map([...schedulesByKey(written.model), ...schedulesByKey(model)]),
    held: new Map([...held].map(([key, entries]) => [key, [...entries.values()]])),
    incomplete: incompleteStores(byKey, errors),
    outdated,
  }
}

function schedulesByKey(model: Model): ReadonlyMap<ResourceKey, readonly Scheduled[]> {
  return Map.groupBy(schedulesOf(model), ({ resource }) => keyOf(resource))
}

/** Whether the resource as a whole is at fault. An error of single deliveries holds those only. */
export function hasError(diagnostics: readonly Diagnostic[] = []): boolean {
  return diagnostics.some(isFatal)
}

export function isFatal({ severity, without }: Diagnostic): boolean {
  return severity === 'error' && without === undefined
}

/** `not-streamable: message`: the first of several findings, with how many more there are; '' where there is none. */
export function summaryOf(diagnostics: readonly Diagnostic[]): string {
  const lines = diagnostics
    .slice(0, shownFindings)
    .map(
      ({ code, path, message, help }) =>
        `${code}: ${message}${path === '' ? '' : ` (${path})`}.${help === undefined ? '' : ` ${help}`}`,
    )
  const more = diagnostics.length - lines.length
  return [...lines, ...(more > 0 ? [`And ${more} more; \`convoke check\` lists all.`] : [])].join('\n')
}

const shownFindings = 3

function keyOfDefinition({ kind, metadata }: Definition): ResourceKey {
  return keyOf({ kind, namespace: metadata.namespace ?? '', name: metadata.name })
}

function errorsOf({ diagnostics }: Compilation): ReadonlyMap<ResourceKey, readonly Diagnostic[]> {
  return Map.groupBy(
    diagnostics.filter(({ severity, resource }) => severity === 'error' && resource !== null),
    ({ resource }) => keyOf(resource as { kind: Kind; namespace: string; name: string }),
  )
}

type Out = Held & { readonly activation: ResourceKey }

/** Segments that an Activation names and that cannot be delivered: for a fault of their own, or of where they are named. */
function brokenSegments(compilation: Compilation, byKey: ReadonlyMap<ResourceKey, Definition>): readonly Out[] {
  const errors = errorsOf(compilation)
  const out: Out[] = []
  for (const { resource, segments } of compilation.model.activations) {
    const activation = keyOf(resource)
    const add = (segment: string, diagnostic: Diagnostic | undefined, otherwise = ''): void => {
      const message = diagnostic ? `${diagnostic.code}: ${diagnostic.message}` : otherwise
      out.push({ activation, segment, reason: 'CompileFailed', message })
    }
    const refs = resource.spec.segmentRefs ?? []
    const ownFaults = new Map(
      (errors.get(activation) ?? [])
        .filter(({ code }) => code !== 'too-many-segments')
        .map((diagnostic) => [diagnostic.path, diagnostic]),
    )
    for (const [index, { name }] of refs.entries()) {
      const key: ResourceKey = `Segment/${resource.namespace}/${name}`
      const path = ['spec', 'segmentRefs', index]
      const own = ownFaults.get(pathText([...path, 'name'])) ?? ownFaults.get(pathText(path))
      if (own) add(name, own)
      else if (!segments.some((segment) => segment.resource.name === name) && byKey.has(key))
        add(name, errors.get(key)?.[0])
    }
    for (const segment of segments) {
      const { name } = segment.resource
      if (out.some((entry) => entry.activation === activation && entry.segment === name)) continue
      const own = errors.get(keyOf(segment.resource))
      if (own) add(name, own[0])
      else if (segment.condition === null) add(name, undefined, 'It refers to a Segment that does not compile.')
    }
  }
  return out
}

/** The deliveries without which a finding would not be there: the ones it names, or all of a group but the oldest. */
function deliveriesAtFault({ diagnostics, model }: Compilation, hasRun: SettleInput['hasRun']): readonly Out[] {
  const out = new Map<string, Out>()
  const keyOfDelivery = ({ activation, segment }: Delivery): string => `${activation}/${segment}`
  for (const { code, severity, resource, without = [] } of diagnostics) {
    if (severity !== 'error' || resource === null) continue
    const { namespace } = resource
    const rankOf = ({ activation, segment }: Delivery): string =>
      rankOfSegment(model.segmentNamed(namespace, segment)?.resource, hasRun(activation, segment))
    for (const { deliveries, keepsOne } of without) {
      const left = deliveries.filter((delivery) => !out.has(keyOfDelivery(delivery)))
      const ranked = left.toSorted((a, b) => (rankOf(a) < rankOf(b) ? -1 : 1))
      for (const delivery of keepsOne ? ranked.slice(1) : ranked)
        out.set(keyOfDelivery(delivery), {
          activation: `Activation/${namespace}/${delivery.activation}`,
          segment: delivery.segment,
          reason: 'CompileFailed',
          message: `${code}: ${delivery.message}`,
        })
    }
  }
  return [...out.values()]
}

/** A sort key, smaller for Segments that stay: delivered before, then older, then by name. */
function rankOfSegment(segment: SegmentModel['resource'] | undefined, ran: boolean): string {
  return `${ran ? 0 : 1} ${segment?.metadata.creationTimestamp ?? ''} ${segment?.name ?? ''}`
}

/** Segments beyond a hard limit: those that never ran are held, the newest first (creationTimestamp, then name). */
function segmentsBeyondLimits(model: Model, hasRun: SettleInput['hasRun']): readonly Out[] {
  const out: Out[] = []
  for (const { resource: instance } of model.instances) {
    const { limits, enforcement } = instance.spec
    if (enforcement.segments === 'Warn') continue
    const activations = model.activations.filter((activation) => activation.instance === instance)
    const segments = [...new Set(activations.flatMap((activation) => activation.segments))]
    if (segments.length <= limits.segments) continue
    const ran = (name: string): boolean => activations.some(({ resource }) => hasRun(resource.name, name))
    const ranked = segments
      .map(({ resource }) => ({
        name: resource.name,
        rank: rankOfSegment(resource, ran(resource.name)),
      }))
      .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    const beyond = new Set(ranked.slice(limits.segments).map(({ name }) => name))
    for (const { resource, segments: chosen } of activations)
      for (const { resource: segment } of chosen)
        if (beyond.has(segment.name))
          out.push({
            activation: keyOf(resource),
            segment: segment.name,
            reason: 'TooManySegments',
            message: `too-many-segments: ${segments.length} Segments are activated to \`${instance.name}\`, the limit is ${limits.segments}`,
          })
  }
  return out
}

/** The Activation without these Segments, so that it names the ones it still delivers. */
function withoutSegments(definition: Definition, names: readonly string[], model: Model): Definition {
  const { spec, metadata } = definition as Definition<'Activation'>
  const chosen =
    spec.segmentRefs ??
    model.activations
      .find(({ resource }) => resource.name === metadata.name && resource.namespace === metadata.namespace)!
      .segments.map(({ resource }) => ({ name: resource.name }))
  const { segmentSelector: _, ...rest } = spec
  const segmentRefs = chosen.filter(({ name }) => !names.includes(name))
  return { ...definition, spec: { ...rest, segmentRefs } } as Definition
}

/** A Segment that is listed twice is a finding, and is delivered once. */
function withoutRepetition(definition: Definition): Definition {
  const { segmentRefs } = (definition as Definition<'Activation'>).spec
  if (definition.kind !== 'Activation' || segmentRefs === undefined) return definition
  const once = [...new Map(segmentRefs.map((ref) => [ref.name, ref])).values()]
  return once.length === segmentRefs.length
    ? definition
    : ({ ...definition, spec: { ...definition.spec, segmentRefs: once } } as Definition)
}

function incompleteStores(
  byKey: ReadonlyMap<ResourceKey, Definition>,
  errors: ReadonlyMap<ResourceKey, readonly Diagnostic[]>,
): ReadonlyMap<ResourceKey, string> {
  const incomplete = new Map<ResourceKey, string>()
  for (const [key, definition] of byKey) {
    if (definition.kind !== 'Dataset' || !errors.has(key)) continue
    const { profileStoreRef } = (definition as Definition<'Dataset'>).spec
    incomplete.set(
      `ProfileStore/${definition.metadata.namespace ?? ''}/${profileStoreRef.name}`,
      definition.metadata.name,
    )
  }
  return incomplete
}
