// Generated from crds/ by `npm run generate`. Do not edit.
/**
 * A name that files of the store are called by.
 */
export type FileName = string

/**
 * What differs from run to run of one JobPlan. Made by whoever schedules (operator, `convoke run`), read by jobs. Holds no secret.
 */
export interface RunInput {
  /**
   * Name of the Run, e.g. `act-retention-offers-29934960`; a retry keeps it.
   */
  run: string
  /**
   * 1 unless this is a retry.
   */
  attempt?: number
  scheduledTime: string
  /**
   * The evaluation instant; later events have not happened yet.
   */
  now: string
  trigger: 'Schedule' | 'CatchUp' | 'Manual' | 'Retry'
  /**
   * ProfileStores only: which Datasets are read and which query is run.
   */
  evaluation?: 'Batch' | 'Streaming'
  /**
   * Activations only: Segment name to the run whose delivered set is the last acknowledged one. A Segment without an entry is backfilled. Of a departed Segment of which nobody knows what was delivered, `unknown`: its last file empties the audience.
   */
  baselines?: {
    [k: string]: FileName
  }
  /**
   * Segments whose held delivery somebody approved: the circuit breaker lets them pass in this run. For a ProfileStore: Datasets whose files that were refused before are taken in as they are.
   */
  approved?: string[]
  /**
   * Activations only: Segments that were deleted with `deletionPolicy: ExportExits` and have a baseline; all of their delivered set exits.
   */
  departed?: {
    name: FileName
    displayName: string
  }[]
}
