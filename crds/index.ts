export { type ListChange, longHoldRuns, type Trip, tripOf } from './breaker.ts'
export { type Defaulted, retryPolicy, streamingInterval, withDefaults } from './defaults.ts'
export { canonicalJson, digestOf } from './digest.ts'
export { parseDurationSeconds } from './duration.ts'
export { type FieldSchema, missingFields } from './fields.ts'
export { filePartName, filledFileName, longestNameBytes, wholeOfPart } from './file-name.ts'
export type { DeliveryManifest } from './generated/delivery-manifest.ts'
export type * from './generated/job-plan.ts'
export type * from './generated/resources.ts'
export type { RunInput } from './generated/run-input.ts'
export type { Detail, RunReport } from './generated/run-report.ts'
export type { SegmentTest, TestCase, TestProfile, TestStep } from './generated/segment-test.ts'
export { batchLimits, isLargeAudience, largeAudiencePercent, mostAdHocSegments } from './guardrails.ts'
export {
  apiVersion,
  group,
  isKind,
  isRunnable,
  type Kind,
  kindNames,
  kinds,
  type Resource,
  type RunnableKind,
  referredKind,
  runnableKinds,
  type SpecOf,
  type StatusOf,
  version,
  writtenKinds,
} from './kinds.ts'
export {
  folderOf,
  inFolder,
  type Location,
  type LocationKind,
  locationIdentity,
  locationKind,
  locationText,
  type PlaceOf,
} from './locations.ts'
export { type MembershipPath, membershipPath } from './membership-path.ts'
export {
  annotations,
  type ConditionReason,
  type ConditionType,
  conditionReasons,
  conditionTypes,
  dataComplete,
  evaluated,
  expectationsMet,
  type FaultReason,
  faultReasons,
  isConditionReason,
  labels,
  managedBy,
} from './meta.ts'
export { runNameOf, shortened } from './names.ts'
export type { ObjectMeta, OwnerReference } from './object-meta.ts'
export {
  type ContainerState,
  container,
  type Pod,
  podsOfJob,
  restricted,
  stateOfPod,
  unscheduledReason,
} from './pod.ts'
export { parseQuantity, parseQuantityBytes } from './quantity.ts'
export { isRecord } from './record.ts'
export {
  detailLinesOf,
  detailMarker,
  isWhole,
  readReportLines,
  readTerminationMessage,
  reportLinesOf,
  reportMarker,
  terminationMessageOf,
} from './report-lines.ts'
export { mountsOf, type Step, stepNames, steps, stepsOf } from './steps.ts'
export {
  type ConcatPart,
  type Transform,
  type TransformName,
  type TransformStep,
  transformForms,
  transformNames,
} from './transforms.ts'
export type { UnionSchema } from './union-schema.ts'
export { type DocumentKind, type Fault, type JsonSchema, schemaOf, validatorOf } from './validators.ts'
export { visible } from './visible.ts'
