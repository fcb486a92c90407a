// Expectations of Datasets: how statuses say whether they are met. While one that holds deliveries is not, nothing of its store is
// delivered.
import { type Detail, expectationsMet, type RunReport } from '#crds'
import { type Condition, timeText } from './conditions.ts'

type Told = NonNullable<Detail['expectations']>[number] & { readonly dataset: string }

/** How many expectations a condition names; the others are counted. */
const named = 5

/** The expectations in a report of an ingest, in the order of its Datasets; null where the ingest was cut off before it looked. */
export function expectationsIn(
  { outcome }: Pick<RunReport, 'outcome'>,
  details: readonly Detail[],
): readonly Told[] | null {
  if (outcome === 'Failed' && details.length === 0) return null
  return details.flatMap(({ dataset = '', expectations = [] }) => expectations.map((each) => ({ ...each, dataset })))
}

/**
 * The conditions of a Dataset or ProfileStore, with the one that says whether its data is as expected. Without expectations that
 * condition goes. Other conditions stay.
 */
export function withExpectations(
  before: readonly Condition[] | undefined,
  told: readonly Told[],
  generation: number,
  nowMs: number,
): Condition[] {
  const others = (before ?? []).filter(({ type }) => type !== expectationsMet)
  if (told.length === 0) return others
  const unmet = told.filter(({ met }) => !met)
  const holding = unmet.filter(({ severity }) => severity === 'HoldActivations')
  const status = unmet.length === 0 ? 'True' : 'False'
  const known = before?.find(({ type }) => type === expectationsMet)
  // Expectations that hold deliveries come first.
  const words = [...holding, ...unmet.filter((each) => !holding.includes(each))]
    .slice(0, named)
    .map(({ dataset, name, message }) => `${dataset}, ${name}: ${message}.`)
  const message = `${words.join(' ')}${unmet.length > named ? ' …' : ''}`
  return [
    ...others,
    {
      type: expectationsMet,
      status,
      observedGeneration: generation,
      lastTransitionTime: known?.status === status ? known.lastTransitionTime : timeText(nowMs),
      reason: unmet.length === 0 ? 'ExpectationsMet' : holding.length > 0 ? 'ActivationsHeld' : 'ExpectationUnmet',
      message: (holding.length > 0 ? `Nothing of the store is delivered until this is met. ${message}` : message).slice(
        0,
        4096,
      ),
    },
  ]
}

/** For people: why nothing of the store with these conditions is delivered; null where deliveries go on. */
export function holdOf(store: string, conditions: readonly Condition[] | undefined): string | null {
  const condition = conditions?.find(({ type }) => type === expectationsMet)
  if (condition?.status !== 'False' || condition.reason !== 'ActivationsHeld') return null
  const why = condition.message.replace(/^Nothing of the store is delivered until this is met\. /, '')
  return `The data of the ProfileStore ${store} is not as expected, so that nothing of it is delivered. ${why} Each ingestion of the store looks again; \`severity: Warn\` of the expectation delivers all the same.`
}
