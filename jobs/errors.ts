import type { FaultReason } from '#crds'

/** A fault of the surroundings. Ports and steps throw it; `runStep` catches it once and makes a RunReport of it. */
export class JobError extends Error {
  readonly reason: FaultReason

  /** `message` names the place and the next step; `cause` is the original error. */
  constructor(reason: FaultReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'JobError'
    this.reason = reason
  }
}

/** The error for work that was broken off because the process was asked to stop. */
export function interrupted(cause?: unknown): JobError {
  return new JobError('Interrupted', 'The process was asked to stop; the same step can be run again.', cause)
}
