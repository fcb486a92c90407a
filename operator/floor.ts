import { parseDurationSeconds } from '#crds'
import { keyOf, type ResourceKey } from './definition.ts'
import type { Surroundings } from './surroundings.ts'

/** When Runs that this process handled last activated each Segment: the copies of the cluster may not show that yet. */
export type Activations = Map<`${string}/${string}/${string}`, { readonly run: ResourceKey; readonly atMs: number }>

/**
 * No Segment of the Activation may be activated before this instant, in Unix milliseconds: a CampaignInstance takes one activation of a
 * Segment per `limits.minActivationInterval`, from whichever Activation. 0: no limit applies. `except` is the Run that asks.
 */
export function floorMsOf(
  own: Surroundings,
  namespace: string,
  activation: string,
  except: ResourceKey | null,
): number {
  const found = activatedBy(own, namespace, activation)
  if (!found) return 0
  const { instance, segments, intervalMs } = found
  let latest = Number.NEGATIVE_INFINITY
  const take = (ms: number | undefined): void => {
    if (ms !== undefined && ms > latest) latest = ms
  }
  for (const segment of segments) {
    const noted = own.activations.get(`${namespace}/${instance}/${segment}`)
    if (noted && noted.run !== except) take(noted.atMs)
  }
  const ownRuns = own.caches.runsOf(`Activation/${namespace}/${activation}`)
  const ownTime = ownRuns.find((run) => keyOf(run) === except)?.status.activatedTime
  for (const other of own.settledOf(namespace)!.activations.values()) {
    if (other.instance?.name !== instance) continue
    const { name } = other
    const shares = other.segments.some((segment) => segments.has(segment))
    const { lastActivatedTime } = own.caches.get('Activation', namespace, name)?.status ?? {}
    const isOwn = name === activation && lastActivatedTime === ownTime
    if (shares && !isOwn) take(msOf(lastActivatedTime))
    for (const run of own.caches.runsOf(`Activation/${namespace}/${name}`)) {
      if (keyOf(run) === except) continue
      // Segments that the Activation no longer delivers count too: a Run at work that has not told of them may still deliver them.
      const { segments: delivered = [], activatedTime } = run.status
      if (shares || delivered.some(({ segment }) => segments.has(segment))) take(msOf(activatedTime))
    }
  }
  for (const memory of own.caches.memoriesOf(namespace)) {
    if (memory.instance !== instance) continue
    for (const segment of segments) {
      const { run, time } = memory.activated[segment] ?? {}
      if (run !== undefined && `Run/${namespace}/${run}` !== except) take(msOf(time))
    }
  }
  return latest === Number.NEGATIVE_INFINITY ? 0 : latest + intervalMs
}

/** How far the Activation's own last start holds up its next one, other Activations left aside; null where no interval is enforced. */
export function ownFloorOf(
  own: Surroundings,
  namespace: string,
  activation: string,
): { readonly floorMs: number; readonly intervalMs: number } | null {
  const found = activatedBy(own, namespace, activation)
  if (!found) return null
  const { intervalMs } = found
  const times = [
    own.caches.get('Activation', namespace, activation)?.status.lastActivatedTime,
    ...own.caches.runsOf(`Activation/${namespace}/${activation}`).map(({ status }) => status.activatedTime),
  ].flatMap((time) => msOf(time) ?? [])
  return { floorMs: times.length === 0 ? 0 : Math.max(...times) + intervalMs, intervalMs }
}

/**
 * Makes every other Run wait from now on. Call it without an `await` after `floorMsOf`, and for a Run at work, which another process may
 * have begun: once that Run is finished and forgotten, a copy of its Activation may not show it yet.
 */
export function noteActivation(
  own: Surroundings,
  namespace: string,
  activation: string,
  run: ResourceKey,
  atMs: number,
): void {
  const found = activatedBy(own, namespace, activation)
  for (const segment of found?.segments ?? []) {
    const place = `${namespace}/${found!.instance}/${segment}` as const
    if ((own.activations.get(place)?.atMs ?? 0) <= atMs) own.activations.set(place, { run, atMs })
  }
}

type Activated = { readonly instance: string; readonly segments: ReadonlySet<string>; readonly intervalMs: number }

/** What an Activation activates; null where no interval is enforced, or where it activates nothing. */
function activatedBy(own: Surroundings, namespace: string, name: string): Activated | null {
  const model = own.settledOf(namespace)?.activations.get(`Activation/${namespace}/${name}`)
  if (!model?.instance) return null
  const { limits, enforcement } = model.instance.spec
  if (enforcement.minActivationInterval === 'Warn') return null
  return {
    instance: model.instance.name,
    segments: new Set(model.segments),
    intervalMs: (parseDurationSeconds(limits.minActivationInterval) ?? 0) * 1000,
  }
}

function msOf(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time)
}
