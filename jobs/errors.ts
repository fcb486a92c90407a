/** Every reason a RunReport's `error.reason` can have, and whether the same step may succeed when tried again unchanged. */
export const faultReasons = {
  /** A volume's folder does not exist or cannot be reached. */
  MissingVolume: { retryable: true },
  /** A source or landing location cannot be read or written (network, permission, missing bucket). */
  LocationUnavailable: { retryable: true },
  /** A file cannot be read as its declared format at all; single bad rows are counted instead. */
  UnreadableFile: { retryable: false },
  /** Another process holds the store's writer lock and is alive. */
  StoreBusy: { retryable: true },
  /** The store has no data or no membership version yet that this step needs. */
  NotEvaluated: { retryable: true },
  /** A newer version of convoke wrote the store. */
  NewerStore: { retryable: false },
  /** A file of the store is not what was written. */
  DamagedStore: { retryable: false },
  /** A file differs from what its manifest says. */
  ChecksumMismatch: { retryable: false },
  /** A delivered file's manifest is older than the landing zone keeps files. */
  RetentionExceeded: { retryable: false },
  DatabaseUnavailable: { retryable: true },
  /** The database answered with an error that will not pass by itself: missing table, missing privilege. */
  DatabaseRefused: { retryable: false },
  MissingSecret: { retryable: true },
  DiskFull: { retryable: true },
  OutOfMemory: { retryable: true },
  /** The store holds no report of that attempt; the step is safe to run again, and then there is one. */
  MissingReport: { retryable: true },
  /** The plan or run input is not what this version understands. */
  InvalidPlan: { retryable: false },
  /** Our own fault. */
  InternalError: { retryable: false },
  Interrupted: { retryable: true },
} as const satisfies Record<string, { readonly retryable: boolean }>

export type FaultReason = keyof typeof faultReasons

/** The surroundings failed: thrown by ports and steps, caught once by `runStep`, which turns it into a RunReport. */
export class JobError extends Error {
  readonly reason: FaultReason

  /** `message` names the place and the next step; `cause` is what the surroundings said. */
  constructor(reason: FaultReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'JobError'
    this.reason = reason
  }
}

/** For work that was broken off because the process was asked to stop. */
export function interrupted(cause?: unknown): JobError {
  return new JobError('Interrupted', 'The process was asked to stop; the same step can be run again.', cause)
}
