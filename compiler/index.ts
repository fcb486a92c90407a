export { adobeGuardrailsManual, adobePages } from './adobe-guardrails.ts'
export {
  type Breaking,
  type Change,
  type ChangePlan,
  changePlan,
  type GuardrailUse,
  type SegmentChange,
} from './change.ts'
export { type Code, codes } from './codes.ts'
export { type Compilation, type CompileOptions, compile, compileObjects } from './compile.ts'
export { adobeOfSegments, segmentReferences, segmentsOfAdobe } from './convert/index.ts'
export { type Delivery, type Diagnostic, type Fix, pathText, type ResourceName, type Severity } from './diagnostic.ts'
export { type EffectiveLatency, effectiveLatency } from './effective-latency.ts'
export { explain, guardrailsManual } from './explain.ts'
export { applyFixes } from './fix.ts'
export { formatSource } from './format.ts'
export { dotOf, type Graph, graphOf, mermaidOf, svgOf } from './graph/index.ts'
export { isMeasuredCode, type MeasuredCode, measured } from './measured.ts'
export type { ActivationModel, Model, SegmentModel, StoreModel } from './model.ts'
export { storePlan } from './plan.ts'
export { checkPql } from './pql/check.ts'
export { type FunctionEntry, functions } from './pql/functions.ts'
export { type Token, tokenize } from './pql/lexer.ts'
export { pqlManual } from './pql/manual.ts'
export { type ExpressionQuery, expressionQuery } from './query.ts'
export { githubAnnotations } from './render/github.ts'
export { checkDocument } from './render/json.ts'
export { escaped as xmlText, junitDocument } from './render/junit.ts'
export { sarifDocument } from './render/sarif.ts'
export { renderText, summaryText } from './render/text.ts'
export { oneLine, visible } from './render/visible.ts'
export type { AnyResource, Resource, Source } from './resource.ts'
export { rules } from './rules/index.ts'
export * from './schedule/index.ts'
export { type Scheduled, schedulesOf } from './schedules.ts'
export { columnsOf, describe as describeType, type ObjectType, type Type, typeAt, type UnionTypes } from './schema.ts'
export * from './segment-test/index.ts'
export { openSession, type Session } from './session.ts'
export { membershipQuery } from './sql/membership-query.ts'
export { alternatives, nearest } from './suggest.ts'
export { type NumberOf, numbersOf, type Sweep, sweepOf, valuesAround } from './sweep.ts'
export { conditionsQuery, expressionWaterfall, segmentWaterfall, type Waterfall } from './waterfall.ts'
export {
  type Comparison,
  type ConsentAnswer,
  type Explanation,
  type Found,
  type Plain,
  type ShownEvent,
  turnsAt,
  whyConsent,
  whySegment,
} from './why.ts'
export { type Phrase, partPhrase, segmentWords, type Word, type Words } from './words.ts'
export {
  decodeUtf8,
  editScalar,
  lineIndexOf,
  nodeAt,
  readYaml,
  textRangeOf,
  valueOf,
  type YamlNode,
  type YamlScalar,
} from './yaml/index.ts'
