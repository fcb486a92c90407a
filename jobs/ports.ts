/** A step's progress while it works; the command line draws it, a Pod logs it. */
export type Progress = {
  readonly step: string
  /** What is being worked on: a Dataset, a Segment, a file. */
  readonly subject: string
  readonly done: number
  /** null while it is not known. */
  readonly total: number | null
  /** What `done` and `total` count: `rows`, `buckets`, `files`. */
  readonly unit: string
}

/**
 * Everything a job needs from outside. `cli/` builds the real one, tests build their own. Claims and secrets are named as in Kubernetes;
 * in a Pod they are mounts, on a laptop folders.
 */
export type Ports = {
  /** The process's own clock, for report times and locks only; the evaluation instant comes from RunInput. */
  readonly now: () => Date
  /** Absolute path of the folder that stands for the claim. Throws JobError MissingVolume where there is none. */
  readonly claim: (claimName: string) => string
  /** The value of one key of a secret. Throws JobError MissingSecret. */
  readonly secret: (name: string, key: string) => string
  /** Absolute path of an existing private folder for temporary files; whoever made it empties it. */
  readonly scratch: string
  readonly progress: (progress: Progress) => void
  /** Connection URL for a CampaignInstance, to use instead of its plan's host and secret; null: none. */
  readonly database: (instance: string) => string | null
  /** Aborted when the process is asked to stop. */
  readonly signal: AbortSignal
}
