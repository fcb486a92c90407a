/**
 * Forms in which a query gives the same members for less work. Each can be left out, so that a test can tell that none of them changes
 * who is found.
 */
export type Rewrites = {
  /** What reads the profile alone is computed before events are joined: fewer and narrower columns pass through the join. */
  readonly early: boolean
  /**
   * "Is there an event since …" is asked of the newest event, and "are there n since …" of the n-th newest: all windows of one filter
   * need one aggregate. Events later than now are not among them, and one without a time has not happened.
   */
  readonly newest: boolean
  /** A sequence needs of its first step the earliest event only, and of its last the newest only. */
  readonly ends: boolean
  /** Many aggregates over events of one type read those events alone. */
  readonly byType: boolean
  /** A number is only made exact where its event counts. */
  readonly guarded: boolean
}

export const allRewrites: Rewrites = { early: true, newest: true, ends: true, byType: true, guarded: true }

export const noRewrites: Rewrites = { early: false, newest: false, ends: false, byType: false, guarded: false }
