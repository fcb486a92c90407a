export { adHocRefusal } from './ad-hoc.ts'
export { type Agenda, type AgendaInput, agendaOf } from './agenda.ts'
export { refusedIn, withCompleteness } from './completeness.ts'
export { type Claim, type Condition, conditionOf, conditionsOf, reasonOfCode, timeText } from './conditions.ts'
export { type Baseline, fateOf, inDoubt, type SegmentFacts } from './deliveries.ts'
export { withEvaluation } from './evaluation.ts'
export { expectationsIn, holdOf, withExpectations } from './expectations.ts'
export { type Delivered, departedOf, planWithoutSegments, runInputOf } from './input.ts'
export {
  type Fault,
  faultOfReport,
  finished,
  isSuccess,
  jobNameOf,
  type Moment,
  type Next,
  runningMessage,
  type StepEnd,
  stepBegun,
  stepEnded,
  stepsWith,
  succeededFields,
} from './lifecycle.ts'
export {
  type ActivationMemory,
  activationAfter,
  type SourceMemory,
  type StoreMemory,
  sourceAfter,
  storeAfter,
} from './memory.ts'
export { type ConfigMap, digestOfPlan, isPartName, partName, planConfigMaps, unpackedPlan } from './plan-parts.ts'
export {
  hasSucceeded,
  isFinished,
  isScheduled,
  type RunRecord,
  type SegmentStatus,
  type StepStatus,
} from './record.ts'
export { type RetryPolicy, retryDelayMs } from './retry.ts'
export {
  type Approval,
  approvalOf,
  digitsOf,
  type Evaluation,
  evaluationsOf,
  latestSlotOf,
  missedWords,
  type SlotMemory,
  type SlotsInput,
  scheduleText,
  slotsDue,
  timeFields,
  unfinishedWork,
} from './target.ts'
