import { type Detail, dataComplete } from '#crds'
import { type Condition, timeText } from './conditions.ts'

type Refused = NonNullable<Detail['refused']>[number] & { readonly dataset: string }

/** How many files a condition names; the others are counted. */
const named = 5

/** The files that the step refused, listed by its report's Datasets. */
export function refusedIn(details: readonly Detail[]): readonly Refused[] {
  return details.flatMap(({ dataset = '', refused = [] }) => refused.map((file) => ({ ...file, dataset })))
}

/**
 * The conditions of a Dataset or ProfileStore, with the one that says whether all data in its landing zone was taken in. Other conditions
 * stay.
 */
export function withCompleteness(
  before: readonly Condition[] | undefined,
  refused: readonly Refused[],
  generation: number,
  nowMs: number,
): Condition[] {
  const status = refused.length === 0 ? 'True' : 'False'
  const known = before?.find(({ type }) => type === dataComplete)
  const files = refused.slice(0, named).map(({ dataset, file, reason }) => `${dataset}, ${file}: ${reason}`)
  const approvable = [
    ...new Set(refused.filter(({ approval }) => approval !== undefined).map(({ dataset }) => dataset)),
  ]
  const next = approvable.slice(0, named).map((dataset) => `\`kubectl convoke approve Dataset/${dataset}\``)
  const message =
    refused.length === 0
      ? ''
      : `${refused.length === 1 ? '1 file was' : `${refused.length} files were`} refused, and what was there before stays. ${files.join(' ')}${refused.length > named ? ' …' : ''}${next.length === 0 ? '' : ` What only lacks something passes by ${next.join(', ')}.`}`
  return [
    ...(before ?? []).filter(({ type }) => type !== dataComplete),
    {
      type: dataComplete,
      status,
      observedGeneration: generation,
      lastTransitionTime: known?.status === status ? known.lastTransitionTime : timeText(nowMs),
      reason: refused.length === 0 ? 'AllFilesRead' : 'FilesRefused',
      message: message.slice(0, 4096),
    },
  ]
}
