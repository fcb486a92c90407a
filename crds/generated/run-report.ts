// Generated from crds/ by `npm run generate`. Do not edit.
/**
 * What one attempt of one step did. Made by a job; the termination message of a Pod is the same without `details`.
 */
export interface RunReport {
  step: 'ingest' | 'evaluate' | 'export' | 'import' | 'extract'
  run: string
  attempt: number
  /**
   * Held: all else was delivered, but the circuit breaker holds at least one Segment.
   */
  outcome: 'Succeeded' | 'Failed' | 'Held'
  startedAt: string
  finishedAt: string
  /**
   * Counts of the whole step; rows unless the name says otherwise.
   */
  totals: {
    [k: string]: number
  }
  /**
   * SHA-256 of `details` as canonical JSON.
   */
  reportDigest?: string
  /**
   * Where the full report lies, relative to the store or landing zone.
   */
  reportPath?: string
  /**
   * One entry per Dataset (ingest), Segment (evaluate, export), file (import) or table (extract).
   */
  details?: Detail[]
  /**
   * For people; a held Segment, a soft guardrail passed.
   */
  warnings?: {
    code?: string
    message: string
  }[]
  error?: {
    /**
     * UpperCamelCase, closed list in jobs/errors.ts.
     */
    reason: string
    message: string
    retryable: boolean
  }
}
export interface Detail {
  dataset?: string
  table?: string
  segment?: string
  file?: string
  members?: number
  entered?: number
  exited?: number
  realized?: number
  backfill?: boolean
  /**
   * The Segment was deleted and all that was delivered of it exits; without `manifest` there was nobody left to say so of.
   */
  departed?: boolean
  /**
   * Why the engine could not evaluate this Segment; its members are as they were.
   */
  failed?: string
  /**
   * Why the circuit breaker holds this Segment. With `manifest` it holds only those who would enter: the file names the exits.
   */
  held?: string
  /**
   * What the circuit breaker compared.
   */
  hold?: {
    direction: 'empty' | 'entered' | 'exited'
    /**
     * How many people would come or go.
     */
    people: number
    /**
     * The same in percent of the list.
     */
    percent: number
    /**
     * The percentage that passes; absent for an empty audience.
     */
    limit?: number
    /**
     * How many people are on the list in Campaign.
     */
    list: number
    /**
     * How many of them are no longer members.
     */
    left: number
    /**
     * Run that delivered the list.
     */
    baseline?: string
  }
  /**
   * Name of the delivery manifest; absent where there was nothing to say.
   */
  manifest?: string
  /**
   * Ingest: files that nothing was taken in of, at most 100; what came of them before stays.
   */
  refused?: {
    file: string
    reason: string
    /**
     * What lets it pass as it is; absent where nothing can.
     */
    approval?: string
  }[]
  /**
   * Ingest: what lies at the location and was not read, at most 100.
   */
  passedOver?: {
    file: string
    reason: string
  }[]
  /**
   * Ingest: what the Dataset expects, in its order; one that nothing can be said of yet is not there.
   */
  expectations?: {
    name: string
    severity: 'Warn' | 'HoldActivations' | 'Fail'
    met: boolean
    /**
     * What was found, and what is expected.
     */
    message: string
  }[]
  files?: {
    name: string
    rows: number
    bytes: number
    sha256: string
  }[]
  /**
   * Further counts by name, e.g. rowsRead, accepted, badRows, oversize, missingMandatory, duplicateKey, withoutConsent, withdrawn, updated, unchanged, rejected. `uncertain` is 1 where the step failed at this Segment and cannot say whether it was delivered.
   */
  counts?: {
    [k: string]: number
  }
}
