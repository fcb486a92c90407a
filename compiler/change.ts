import { annotations, canonicalJson, isRecord, type Kind } from '#crds'
import type { Compilation } from './compile.ts'
import { pathText, type ResourceName } from './diagnostic.ts'
import type { Model } from './model.ts'
import type { AnyResource, Resource } from './resource.ts'
import { columnsOf } from './schema.ts'

/** What changes when one set of resources is applied over another. Everything is ordered by kind, namespace and name. */
export type ChangePlan = {
  readonly changes: readonly Change[]
  /** Changes by which somebody loses something, or must act. */
  readonly breaking: readonly Breaking[]
  readonly guardrails: readonly GuardrailUse[]
  /** Segments whose members may be others now: new ones, and those whose meaning changed, also through a Segment that they refer to. */
  readonly segments: readonly SegmentChange[]
  /** Stores whose data would be others, by a change of themselves or of their Datasets; all their Segments may have other members. */
  readonly changedStores: readonly { readonly namespace: string; readonly name: string }[]
}

export type Change = ResourceName & {
  readonly change: 'added' | 'removed' | 'changed'
  /** Fields that differ, such as `spec.expression`; empty unless the resource was changed. */
  readonly fields: readonly { readonly path: string; readonly before: string | null; readonly after: string | null }[]
}

export type Breaking = ResourceName & { readonly message: string; readonly help: string }

export type GuardrailUse = ResourceName & {
  readonly what: string
  readonly before: number | null
  readonly after: number
  readonly limit: number
}

export type SegmentChange = {
  readonly namespace: string
  readonly name: string
  readonly store: string
  readonly change: 'added' | 'redefined' | 'removed'
  readonly activations: readonly string[]
}

export function changePlan(before: Compilation, after: Compilation): ChangePlan {
  const [old, now] = [indexed(before.resources), indexed(after.resources)]
  const changes = [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((key): Change[] => {
    const [left, right] = [old.get(key), now.get(key)]
    const { kind, namespace, name } = (right ?? left)!
    if (!left) return [{ kind, namespace, name, change: 'added', fields: [] }]
    if (!right) return [{ kind, namespace, name, change: 'removed', fields: [] }]
    const fields = [
      ...differences(left.spec, right.spec, ['spec']),
      ...differences(kept(left), kept(right), ['metadata']),
    ]
    return fields.length > 0 ? [{ kind, namespace, name, change: 'changed', fields }] : []
  })
  return {
    changes,
    breaking: breakingOf(before, after, old, now),
    guardrails: guardrailsOf(before.model, after.model),
    segments: segmentChanges(before, after),
    changedStores: storeChanges(before, after),
  }
}

function storeChanges(before: Compilation, after: Compilation): ChangePlan['changedStores'] {
  const dataOf = ({ plans }: Compilation): ReadonlyMap<string, string> =>
    new Map(
      plans.flatMap(({ target, ingest, store }) => {
        if (target.kind !== 'ProfileStore' || !store) return []
        // Where a store lies and what it is computed by say nothing of its data.
        const { volume: _, engine: __, ...meaning } = store
        return [[`${target.namespace}/${target.name}`, canonicalJson([ingest ?? null, meaning])] as const]
      }),
    )
  const [old, now] = [dataOf(before), dataOf(after)]
  return [...now]
    .filter(([key, data]) => old.has(key) && old.get(key) !== data)
    .map(([key]) => {
      const [namespace = '', name = ''] = key.split('/')
      return { namespace, name }
    })
    .sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1))
}

type Index = ReadonlyMap<string, AnyResource>

function indexed(resources: readonly AnyResource[]): Index {
  return new Map(resources.map((resource) => [`${resource.kind}/${resource.namespace}/${resource.name}`, resource]))
}

/** Metadata with a meaning to Convoke: labels, which select Segments, and the annotations that allow and suspend. */
function kept({ metadata }: AnyResource): object {
  // Requests and approvals are answered once, and do not belong to the wanted state.
  const meant: readonly string[] = [annotations.allow, annotations.suspend]
  const own = Object.entries(metadata.annotations ?? {}).filter(([key]) => meant.includes(key))
  return { labels: metadata.labels ?? {}, annotations: Object.fromEntries(own) }
}

/**
 * The leaves that differ. Lists whose items have names are compared by name, so that a moved item does not change its neighbours. The
 * order of a map's keys does not matter, since the API server sorts them.
 */
function differences(left: unknown, right: unknown, path: readonly (string | number)[]): Change['fields'] {
  if (canonicalJson(left) === canonicalJson(right)) return []
  const [a, b] = [named(left), named(right)]
  if (isRecord(a) && isRecord(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])]
    const found = keys.flatMap((key) => differences(a[key], b[key], [...path, key]))
    return found.length > 0 ? found : [{ path: pathText(path), before: shown(left), after: shown(right) }]
  }
  return [{ path: pathText(path), before: shown(left), after: shown(right) }]
}

/** A list as a map by the names of its items, where they have names; any other value as it is. */
function named(value: unknown): unknown {
  if (!Array.isArray(value) || !value.every(isRecord)) return value
  for (const key of ['name', 'target', 'namespace', 'path']) {
    const names = value.map((item) => item[key])
    if (names.every((name) => typeof name === 'string') && new Set(names).size === names.length)
      return Object.fromEntries(value.map((item) => [`[${String(item[key])}]`, item]))
  }
  return value
}

function shown(value: unknown): string | null {
  if (value === undefined) return null
  const text = typeof value === 'string' ? value.trimEnd() : JSON.stringify(value)
  return text.length > 200 ? `${text.slice(0, 199)}…` : text
}

type Rule<K extends Kind> = (
  before: Resource<K>,
  after: Resource<K> | null,
  context: { readonly before: Model; readonly after: Model },
) => readonly Omit<Breaking, keyof ResourceName>[]

/** What breaks when a resource of a kind changes or goes: one row for each kind. */
const breakingRules: { readonly [K in Kind]?: Rule<K> } = {
  Segment: (before, after, context) => {
    const activations = context.before.activations.filter((activation) =>
      activation.segments.some(
        (segment) => segment.resource.name === before.name && segment.resource.namespace === before.namespace,
      ),
    )
    const found: Omit<Breaking, keyof ResourceName>[] = []
    if (!after && activations.length > 0) {
      const names = activations.map((activation) => activation.resource.name).join(', ')
      found.push(
        before.spec.deletionPolicy === 'ExportExits'
          ? {
              message: `is removed; its members leave the list in Campaign with the next run of ${names}`,
              help: 'Nothing to do, if that is meant.',
            }
          : {
              message: `is removed; Campaign keeps its last list, which ${names} no longer update${activations.length === 1 ? 's' : ''}`,
              help: 'Set `deletionPolicy: ExportExits` and apply that first, if the list should be emptied.',
            },
      )
    }
    const users = context.after.segments.filter(
      (segment) =>
        segment.resource.namespace === before.namespace &&
        segment.checked?.references.some((reference) => reference.name === before.name),
    )
    if (!after && users.length > 0)
      found.push({
        message: `is removed, but ${users.map((user) => user.resource.name).join(', ')} refer${users.length === 1 ? 's' : ''} to it`,
        help: 'Change those first.',
      })
    if (after && after.spec.profileStoreRef.name !== before.spec.profileStoreRef.name)
      found.push({
        message: `moves from the ProfileStore ${before.spec.profileStoreRef.name} to ${after.spec.profileStoreRef.name}; it is evaluated anew there`,
        help: 'Expect entries and exits for everybody who is in one store only.',
      })
    return found
  },
  ProfileStore: (before, after, context) => {
    if (!after)
      return [
        {
          message: 'is removed; its Segments are not evaluated any more. The data stays on its volume',
          help: 'Remove its Datasets, Segments and Activations as well.',
        },
      ]
    const found: Omit<Breaking, keyof ResourceName>[] = []
    if (canonicalJson(before.spec.storage) !== canonicalJson(after.spec.storage))
      found.push({
        message: 'has another storage; it starts from nothing there, and every delivered set is forgotten',
        help: 'Copy the folder of the old volume to the new one before you apply this.',
      })
    const primary = (resource: Resource<'ProfileStore'>): string =>
      canonicalJson(resource.spec.identities.find((identity) => identity.primary))
    if (primary(before) !== primary(after))
      found.push({
        message: 'has another primary identity; every profile gets another id',
        help: 'Expect everybody to exit and enter again in every Segment.',
      })
    for (const part of ['profile', 'event'] as const) {
      const now = new Map(schemaColumns(context.after, after, part))
      for (const [path, type] of schemaColumns(context.before, before, part)) {
        const other = now.get(path)
        const field = part === 'event' ? `xEvent.${path}` : path
        if (other === undefined)
          found.push({
            message: `loses the field ${field}`,
            help: 'What reads it does not compile any more; see the findings of check.',
          })
        else if (other !== type)
          found.push({
            message: `changes the type of ${field} from ${type} to ${other}`,
            help: 'Its Datasets are read again; values that do not fit are counted as bad rows.',
          })
      }
    }
    return found
  },
  Activation: (before, after) => {
    if (!after)
      return [
        {
          message: 'is removed; the lists it made in Campaign stay as they are',
          help: 'Nothing to do, if that is meant.',
        },
      ]
    const found: Omit<Breaking, keyof ResourceName>[] = []
    if (before.spec.destinationRef.name !== after.spec.destinationRef.name)
      found.push({
        message: `delivers to ${after.spec.destinationRef.name} instead of ${before.spec.destinationRef.name}`,
        help: 'Files of the old Destination stay until their retention ends.',
      })
    const keys = (resource: Resource<'Activation'>): string =>
      resource.spec.mapping
        .filter((item) => item.deduplicationKey)
        .map((item) => `${item.source} → ${item.target}`)
        .join(', ')
    if (keys(before) !== keys(after))
      found.push({
        message: `has another deduplication key (${keys(after) || 'none'}); what was delivered is not recognised by it`,
        help: 'Expect every member to be sent again, and exits under the old key.',
      })
    const removed = before.spec.mapping.filter(
      (item) => !after.spec.mapping.some((other) => other.target === item.target),
    )
    if (removed.length > 0)
      found.push({
        message: `no longer sends ${removed.map((item) => item.target).join(', ')}; those columns keep their last values in Campaign`,
        help: 'Nothing to do, if that is meant.',
      })
    if (before.spec.membershipStatus === 'Include' && after.spec.membershipStatus === 'Omit')
      found.push({
        message: 'omits the membership status; exits are not delivered any more',
        help: 'Keep `membershipStatus: Include`, or make full exports.',
      })
    return found
  },
  CampaignInstance: (before, after) => {
    if (!after)
      return [
        {
          message: 'is removed; its Destinations and Activations have nowhere to deliver to',
          help: 'Remove them as well.',
        },
      ]
    const found: Omit<Breaking, keyof ResourceName>[] = []
    const [old, now] = [before.spec.targetMapping, after.spec.targetMapping]
    if (old.table !== now.table || old.schema !== now.schema)
      found.push({
        message: `updates ${now.schema}.${now.table} instead of ${old.schema}.${old.table}`,
        help: 'Recipients there must exist: an import only updates.',
      })
    if (canonicalJson(old.reconciliationKey) !== canonicalJson(now.reconciliationKey))
      found.push({
        message: `reconciles by ${now.reconciliationKey.join(', ')} instead of ${old.reconciliationKey.join(', ')}`,
        help: 'Lists made under the old key are not found any more; plan a full export.',
      })
    for (const name of ['segments', 'attributes'] as const) {
      if (after.spec.limits[name] < before.spec.limits[name])
        found.push({
          message: `lowers the limit of ${name} from ${before.spec.limits[name]} to ${after.spec.limits[name]}`,
          help: 'What is over it is held.',
        })
    }
    return found
  },
  Destination: (before, after) =>
    after
      ? canonicalJson(before.spec.location) === canonicalJson(after.spec.location)
        ? []
        : [{ message: 'writes to another place', help: 'Whoever picks up the files must look there.' }]
      : [],
  Dataset: (before, after) =>
    after
      ? []
      : [
          {
            message: 'is removed; its records leave the store with the next ingest',
            help: `Expect exits where only ${before.name} said so.`,
          },
        ],
}

function schemaColumns(
  model: Model,
  resource: Resource<'ProfileStore'>,
  part: 'profile' | 'event',
): [string, string][] {
  const type = model.stores.find((store) => store.resource === resource)?.types[part]
  return type
    ? columnsOf(type).map((column) => [
        column.path,
        typeof column.type === 'string' ? column.type : canonicalJson(column.type),
      ])
    : []
}

function breakingOf(before: Compilation, after: Compilation, old: Index, now: Index): Breaking[] {
  return [...old]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, resource]) => {
      // A rule is stored under the kind of resources that it takes, so both have the key's kind.
      const rule = breakingRules[resource.kind] as unknown as Rule<Kind> | undefined
      const found =
        rule?.(resource as unknown as Resource, (now.get(key) ?? null) as unknown as Resource | null, {
          before: before.model,
          after: after.model,
        }) ?? []
      return found.map((each) => ({ kind: resource.kind, namespace: resource.namespace, name: resource.name, ...each }))
    })
}

function guardrailsOf(before: Model, after: Model): GuardrailUse[] {
  const segmentsOf = (model: Model, instance: Resource<'CampaignInstance'>): number =>
    new Set(
      model.activations
        .filter(
          (activation) =>
            activation.instance?.name === instance.name && activation.instance.namespace === instance.namespace,
        )
        .flatMap((activation) => activation.segments.map((segment) => segment.resource.name)),
    ).size
  const find = <K extends Kind>(kind: K, resource: ResourceName): Resource<K> | undefined =>
    before.of(kind).find((other) => other.name === resource.name && other.namespace === resource.namespace)
  const nameOf = ({ kind, namespace, name }: ResourceName): ResourceName => ({ kind, namespace, name })
  return [
    ...after.instances.map(({ resource }): GuardrailUse => {
      const old = find('CampaignInstance', resource)
      return {
        ...nameOf(resource),
        what: 'Segments',
        before: old ? segmentsOf(before, old) : null,
        after: segmentsOf(after, resource),
        limit: resource.spec.limits.segments,
      }
    }),
    ...after.activations.map(
      ({ resource, instance }): GuardrailUse => ({
        ...nameOf(resource),
        what: 'attributes',
        before: find('Activation', resource)?.spec.mapping.length ?? null,
        after: resource.spec.mapping.length,
        limit: instance?.spec.limits.attributes ?? 20,
      }),
    ),
  ]
}

function segmentChanges(before: Compilation, after: Compilation): SegmentChange[] {
  type Known = { readonly namespace: string; readonly name: string; readonly store: string; readonly digest: string }
  const digests = ({ plans }: Compilation): Map<string, Known> =>
    new Map(
      plans.flatMap(({ evaluate, store, target }) =>
        evaluate && store
          ? evaluate.segments.map(
              (segment) =>
                [
                  `${target.namespace}/${segment.name}`,
                  { namespace: target.namespace, name: segment.name, store: store.name, digest: segment.digest },
                ] as const,
            )
          : [],
      ),
    )
  const activationsOf = (model: Model, { namespace, name }: Known): string[] =>
    model.activations
      .filter(
        (activation) =>
          activation.resource.namespace === namespace &&
          activation.segments.some((segment) => segment.resource.name === name),
      )
      .map((activation) => activation.resource.name)
      .sort()
  const [old, now] = [digests(before), digests(after)]
  const entry = (known: Known, change: SegmentChange['change'], model: Model): SegmentChange => ({
    namespace: known.namespace,
    name: known.name,
    store: known.store,
    change,
    activations: activationsOf(model, known),
  })
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap((key) => {
    const [left, right] = [old.get(key), now.get(key)]
    if (!right) return left ? [entry(left, 'removed', before.model)] : []
    if (!left) return [entry(right, 'added', after.model)]
    return left.digest === right.digest && left.store === right.store ? [] : [entry(right, 'redefined', after.model)]
  })
}
