import type { ExportPlan } from './generated/job-plan.ts'

type Breaker = NonNullable<ExportPlan['circuitBreaker']>

/** What a delivery would change on a list that Campaign has. */
export type ListChange = {
  /** How many people are on the list. */
  readonly list: number
  /** How many people would be on it. */
  readonly active: number
  readonly entered: number
  readonly left: number
}

/** Why a circuit breaker holds a delivery. */
export type Trip = {
  readonly direction: 'empty' | 'entered' | 'exited'
  /** How many people would come or go. */
  readonly people: number
  /** How much of the list that is, with one decimal. */
  readonly percent: number
  /** Percent; null where the audience is empty. */
  readonly limit: number | null
}

/**
 * Why the breaker holds the delivery; null where it lets it pass, as it does where there is no list yet. The export, the plan and the report
 * ask this one function. Changes of fewer people than `minPeople` pass whatever they are in percent; an audience that becomes empty does not.
 */
export function tripOf(breaker: Breaker | undefined, { list, active, entered, left }: ListChange): Trip | null {
  if (!breaker || list === 0) return null
  if (active === 0 && breaker.allowEmpty !== true)
    return { direction: 'empty', people: list, percent: 100, limit: null }
  const over = (direction: 'entered' | 'exited', people: number, limit: number | undefined): Trip | null =>
    limit !== undefined && people * 100 > limit * list && people >= (breaker.minPeople ?? 0)
      ? { direction, people, percent: Math.round((people * 1000) / list) / 10, limit }
      : null
  return over('entered', entered, breaker.maxEnteredPercent) ?? over('exited', left, breaker.maxExitedPercent)
}

/** How many Runs in a row a hold may last before somebody is called. */
export const longHoldRuns = 3
