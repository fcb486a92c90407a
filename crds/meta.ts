/** Annotations that people and tools write on resources. */
export const annotations = {
  /** Findings that are accepted: lines of `code: reason`. */
  allow: 'convoke.dev/allow',
  /** Any new value runs a ProfileStore, an Activation or a CampaignSource now; status.lastHandledRequestedAt repeats the value. */
  requestedAt: 'convoke.dev/requestedAt',
  /** `true` stops new Runs, like spec.suspend, but without a change in Git. */
  suspend: 'convoke.dev/suspend',
  /**
   * On an Activation: names of held Segments, separated by commas, that the next Run delivers whatever the circuit breaker says. On a
   * Dataset: names of refused files, as reports give them, to be taken in as they are.
   */
  approve: 'convoke.dev/approve',
} as const

/** Labels that the operator writes on Runs, Jobs, Pods and ConfigMaps. All values are DNS labels. */
export const labels = {
  managedBy: 'app.kubernetes.io/managed-by',
  /** Kind and name of the Run's target. */
  targetKind: 'convoke.dev/target-kind',
  target: 'convoke.dev/target',
  run: 'convoke.dev/run',
  step: 'convoke.dev/step',
  /** For ProfileStores only: `batch` or `streaming`. */
  evaluation: 'convoke.dev/evaluation',
  /** On Runs that somebody asked for by annotation: which request it was. */
  request: 'convoke.dev/request',
  /** On Runs that let held Segments pass by annotation: which approval it was. */
  approval: 'convoke.dev/approval',
  /** On ConfigMaps that outlive their subject: `delivered`, what Campaign has of an Activation. */
  memory: 'convoke.dev/memory',
  /** First 40 hexadecimal digits of the plan's digest. */
  plan: 'convoke.dev/plan',
} as const

/** Value of `labels.managedBy`, and the field manager of server-side apply. */
export const managedBy = 'convoke'

/** Condition types. Ready, Reconciling and Stalled mean the same as in kstatus: the latter two exist only while they are true. */
export const conditionTypes = {
  ready: 'Ready',
  reconciling: 'Reconciling',
  stalled: 'Stalled',
  /** The compiler found no error. The reason is the first finding's code in CamelCase, the message the first findings. */
  guardrailsPassed: 'GuardrailsPassed',
  /** On Runs only: Unknown until the Run is finished, then final. */
  succeeded: 'Succeeded',
} as const

/**
 * On Datasets and ProfileStores: whether every file in the landing zone was taken in, by the report of the latest ingest. It is written
 * with the counts and, like another writer's condition, stays while our other conditions are claimed anew.
 */
export const dataComplete = 'DataComplete'

/**
 * On Datasets with expectations and their ProfileStores: whether the data is as expected, by the latest ingest. It stays as DataComplete
 * does.
 */
export const expectationsMet = 'ExpectationsMet'

/** On Segments that the engine could not evaluate once: whether the latest evaluation came to an end. It stays as DataComplete does. */
export const evaluated = 'Evaluated'

export type ConditionType = (typeof conditionTypes)[keyof typeof conditionTypes]

/** Every reason that a RunReport's `error.reason` can have, and whether the same step may succeed when it is tried again unchanged. */
export const faultReasons = {
  /** A volume's folder does not exist or cannot be reached. */
  MissingVolume: { retryable: true },
  /** A source or landing location cannot be read or written (network, permission, missing bucket). */
  LocationUnavailable: { retryable: true },
  /** A file cannot be read as its declared format at all; single bad rows are counted instead. */
  UnreadableFile: { retryable: false },
  /** A Dataset's data does not meet an expectation with severity Fail; other data may. */
  UnmetExpectation: { retryable: true },
  /** Another process holds the store's writer lock and is alive. */
  StoreBusy: { retryable: true },
  /** The store lacks data, or a membership version, that this step needs. */
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
  /** The database answered with an error that does not pass by itself: missing table, missing privilege. */
  DatabaseRefused: { retryable: false },
  MissingSecret: { retryable: true },
  DiskFull: { retryable: true },
  OutOfMemory: { retryable: true },
  /** The store has no report of that attempt. The step is safe to run again, which makes one. */
  MissingReport: { retryable: true },
  /** The plan or run input is not what this version understands. */
  InvalidPlan: { retryable: false },
  /** A fault of our own. */
  InternalError: { retryable: false },
  Interrupted: { retryable: true },
} as const satisfies Record<string, { readonly retryable: boolean }>

export type FaultReason = keyof typeof faultReasons

/** Reasons of conditions, and what each means. The reason of a failed Run may also be that of its step's fault. */
export const conditionReasons = {
  Ready: 'In order.',
  GuardrailsPassed: 'The compiler found no error.',
  CompileFailed: 'The compiler found at least one error; nothing new is run, what is in flight is finished.',
  CompileStopped: 'Compiling the namespace took more time or memory than it may; the plans before stay in use.',
  Progressing: 'A change is being worked on.',
  Suspended: 'No new Runs are made.',
  KubernetesOutdated: 'The API server is older than the operator works with; nothing is run.',
  CrdOutdated: 'The CRDs in the cluster are older than the operator; nothing is run.',
  WaitingForDependency: 'Something this resource refers to is not ready.',
  MissingVolume: 'A PersistentVolumeClaim does not exist.',
  MissingSecret: 'A Secret or one of its keys does not exist.',
  TooManySegments: 'Held, because the CampaignInstance is at its limit.',
  CircuitBreaker: 'Held, because the audience changed more than the circuit breaker allows.',
  NameCollision: 'An object of this name exists and is not ours; its slot is skipped.',
  SegmentsHeld: 'Some Segments are not delivered for now; status.held says which, and why.',
  RunFailed: 'The latest Run failed.',
  Pending: 'Waiting for its turn.',
  Running: 'A step is running.',
  PodPending: 'The Pod of a step cannot start.',
  Queued: 'The Job of a step is suspended by whoever queues Jobs.',
  JobRefused: 'The API server refuses the Job of a step.',
  Evicted: 'The Pod of a step was taken from its node, again and again.',
  OOMKilled: 'A step was killed for its memory.',
  PodFailed: 'The Pod of a step ended without a report.',
  NoPod: 'No Pod of a step has said anything.',
  ReportLost: 'A step succeeded, but what it did per Segment is lost.',
  RunFailing: 'An attempt of a Run failed; another one is made.',
  Succeeded: 'Every step succeeded.',
  Held: 'All was delivered but the held Segments.',
  Failed: 'A step failed.',
  DeadlineExceeded: 'It could not start before its deadline.',
  Replaced: 'A later Run took its place.',
  TargetGone: 'The target was deleted.',
  Evaluated: 'The latest evaluation of the Segment came to an end.',
  EvaluationFailed:
    'The engine cannot evaluate the Segment; its members are as they were, and all others are evaluated.',
  AllFilesRead: 'No file that lies there was refused.',
  ExpectationsMet: 'The data is as the Datasets expect it.',
  ExpectationUnmet: 'The data is not as a Dataset expects it; the message says which, and why.',
  ActivationsHeld: 'The data is not as a Dataset expects it, so that nothing of its store is delivered until it is.',
  FilesRefused: 'A file was refused for what it lacks or because it cannot be read; the message says which, and why.',
} as const

export type ConditionReason = keyof typeof conditionReasons | FaultReason

/** Whether a reason that somebody else gives is one of ours. */
export function isConditionReason(text: string): text is ConditionReason {
  return Object.hasOwn(conditionReasons, text) || Object.hasOwn(faultReasons, text)
}
