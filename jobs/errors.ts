import type { FaultReason } from '#crds'

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
