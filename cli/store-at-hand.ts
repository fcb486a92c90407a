import type { Compilation, SegmentModel, StoreModel } from '#compiler'
import type { StorePlan } from '#crds'
import { JobError, type OpenStore, openStore, type Ports } from '#jobs'
import { didYouMean } from './cluster/kind-name.ts'
import { exitCodes, type Io, UsageError } from './command.ts'
import { portsFor } from './ports.ts'
import { progressLine } from './progress.ts'
import { neededVolumes, type Whereabouts } from './whereabouts.ts'

/** What a command that looks into one store gets to work with. */
export type AtHand = {
  readonly open: OpenStore
  readonly plan: StorePlan
  readonly store: StoreModel
  readonly ports: Ports
}

/** Opens a store on this machine for one look. Where its data or surroundings are not ready, that is printed, and the exit code is 1. */
export async function withStore(
  compilation: Compilation,
  store: StoreModel,
  where: Whereabouts,
  { command, io }: { readonly command: string; readonly io: Io },
  look: (at: AtHand) => Promise<number>,
): Promise<number> {
  const volumes = neededVolumes(where)
  const { namespace, name } = store.resource
  const plan = compilation.plans.find(
    (each) =>
      each.store &&
      each.target.kind === 'ProfileStore' &&
      each.target.namespace === namespace &&
      each.target.name === name,
  )?.store
  if (!plan) throw new UsageError(`The ProfileStore \`${name}\` has errors; \`convoke check\` shows them.`)
  const line = progressLine(io)
  try {
    using ports = portsFor(
      { volumes, secrets: where.secrets, databases: where.databases, scratchParent: null },
      io,
      line.show,
    )
    await using open = await openStore(plan, ports)
    return await look({ open, plan, store, ports })
  } catch (error) {
    if (!(error instanceof JobError)) throw error
    line.clear()
    io.err(`convoke ${command}: ${error.message}\n`)
    return exitCodes.findings
  } finally {
    line.clear()
  }
}

/** The store with that name, or the only one. */
export function storeNamed({ model }: Compilation, name: string | null): StoreModel {
  const stores = model.stores.filter((store) => name === null || store.resource.name === name)
  const [store, other] = stores
  if (store && !other) return store
  const names = model.stores.map(({ resource }) => resource.name).join(', ') || 'none'
  throw new UsageError(
    name === null && store
      ? `Name one ProfileStore with --store: ${names}.`
      : `There is no ProfileStore \`${name ?? ''}\` there; there is ${names}.`,
  )
}

/** The Segment with that name, or `NAMESPACE/NAME` where several have it; null where there is none. */
export function segmentNamed({ model }: Compilation, given: string): SegmentModel | null {
  const [name = '', namespace] = given.split('/').toReversed()
  const found = model.segments.filter(
    ({ resource }) => resource.name === name && (namespace === undefined || resource.namespace === namespace),
  )
  if (found.length > 1)
    throw new UsageError(
      `There are ${found.length} Segments \`${name}\`; name one's namespace: ${found.map(({ resource }) => `${resource.namespace}/${resource.name}`).join(', ')}.`,
    )
  return found[0] ?? null
}

/** The Segment with that name and its store; throws UsageError where there is none. */
export async function neededSegment(
  compilation: Compilation,
  given: string,
): Promise<SegmentModel & { readonly store: StoreModel }> {
  const found = segmentNamed(compilation, given)
  if (!found) {
    const names = compilation.model.segments.map(({ resource }) => resource.name)
    throw new UsageError(`There is no Segment \`${given}\` there.${await didYouMean(given, names)}`)
  }
  if (!found.store) throw new UsageError(`The Segment \`${given}\` has no ProfileStore; \`convoke check\` shows why.`)
  return { ...found, store: found.store }
}

/** The profile columns that options name; throws UsageError for one that does not exist. */
export async function columnsNamed(plan: StorePlan, paths: readonly string[]): Promise<StorePlan['profile']> {
  const columns = []
  for (const path of paths) {
    const column = plan.profile.find((each) => each.path === path)
    if (!column)
      throw new UsageError(
        `\`${path}\` is not an attribute of the profile.${await didYouMean(
          path,
          plan.profile.map((each) => each.path),
        )}`,
      )
    columns.push(column)
  }
  return columns
}
