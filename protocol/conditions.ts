import { type ConditionReason, type ConditionType, conditionTypes } from '#crds'

export type Condition = {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly observedGeneration?: number
  readonly lastTransitionTime: string
  readonly reason: string
  readonly message: string
}

/** A condition as it is claimed now; since when it has been so comes from the condition before. */
export type Claim = {
  readonly type: ConditionType
  readonly status: Condition['status']
  /** A ConditionReason, or the code of a finding in CamelCase. */
  readonly reason: ConditionReason | (string & {})
  readonly message: string
}

const longestMessage = 4096

/**
 * The new list of conditions: ours that are no longer claimed go, those of others stay. lastTransitionTime moves only when the status
 * does.
 */
export function conditionsOf(
  before: readonly Condition[] | undefined,
  claims: readonly Claim[],
  generation: number,
  nowMs: number,
): Condition[] {
  const ours: readonly string[] = Object.values(conditionTypes)
  const others = (before ?? []).filter(({ type }) => !ours.includes(type))
  const claimed = claims.map(({ type, status, reason, message }) => {
    const known = before?.find((condition) => condition.type === type)
    const lastTransitionTime = known?.status === status ? known.lastTransitionTime : timeText(nowMs)
    return {
      type,
      status,
      observedGeneration: generation,
      lastTransitionTime,
      reason,
      message: message.length > longestMessage ? `${message.slice(0, longestMessage - 1)}…` : message,
    }
  })
  return [...claimed, ...others]
}

export function conditionOf(conditions: readonly Condition[] | undefined, type: ConditionType): Condition | null {
  return conditions?.find((condition) => condition.type === type) ?? null
}

/** `not-streamable` → `NotStreamable`: a reason has no hyphens. */
export function reasonOfCode(code: string): string {
  return code.replace(/(^|-)([a-z0-9])/g, (_, __, letter: string) => letter.toUpperCase())
}

/** RFC 3339 in UTC, whole seconds. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, 'Z')
}
