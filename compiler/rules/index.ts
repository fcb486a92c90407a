import type { Code } from '../codes.ts'
import { activationTooFrequent } from './activation-too-frequent.ts'
import { ambiguousScalar } from './ambiguous-scalar.ts'
import { arrayAttribute } from './array-attribute.ts'
import { batchEvaluatedTooOften } from './batch-evaluated-too-often.ts'
import { beyondPql } from './beyond-pql.ts'
import { consentWithoutExits } from './consent-without-exits.ts'
import { createsProfiles } from './creates-profiles.ts'
import { deepIdentity } from './deep-identity.ts'
import { deeplyNestedData } from './deeply-nested-data.ts'
import { differentOrganizations } from './different-organizations.ts'
import { duplicateKey } from './duplicate-key.ts'
import { duplicateResource } from './duplicate-resource.ts'
import { encryptedFile } from './encrypted-file.ts'
import { eventAttribute } from './event-attribute.ts'
import { exitsInFullExport } from './exits-in-full-export.ts'
import { exitsWithoutMembershipStatus } from './exits-without-membership-status.ts'
import { exportBeforeEvaluation } from './export-before-evaluation.ts'
import { expressionTooLarge } from './expression-too-large.ts'
import { fileNameCollision } from './file-name-collision.ts'
import { fileNameTooLong } from './file-name-too-long.ts'
import { fullExportTooFrequent } from './full-export-too-frequent.ts'
import { handBuiltBirthday } from './hand-built-birthday.ts'
import { incrementalWithoutMembershipStatus } from './incremental-without-membership-status.ts'
import { invalidImsOrg } from './invalid-ims-org.ts'
import { invalidPodTemplate } from './invalid-pod-template.ts'
import { invalidSchedule } from './invalid-schedule.ts'
import { invalidValue } from './invalid-value.ts'
import { manyAggregations } from './many-aggregations.ts'
import { manyAttributes } from './many-attributes.ts'
import { manyBatches } from './many-batches.ts'
import { manyHourlyExports } from './many-hourly-exports.ts'
import { manySegments } from './many-segments.ts'
import { manySegmentsOfActivation } from './many-segments-of-activation.ts'
import { mapAttribute } from './map-attribute.ts'
import { missingDeduplicationKey } from './missing-deduplication-key.ts'
import { missingEntitlement } from './missing-entitlement.ts'
import { missingField } from './missing-field.ts'
import { missingOrganization } from './missing-organization.ts'
import { missingProductContext } from './missing-product-context.ts'
import { missingReconciliationKey } from './missing-reconciliation-key.ts'
import { multipleOrganizationalUnits } from './multiple-organizational-units.ts'
import { nobodyWithConsent } from './nobody-with-consent.ts'
import { notStreamable } from './not-streamable.ts'
import { objectAttribute } from './object-attribute.ts'
import { optionalDeduplicationKey } from './optional-deduplication-key.ts'
import { pqlSyntax } from './pql-syntax.ts'
import { pqlTypeMismatch } from './pql-type-mismatch.ts'
import { pqlUnknownFunction } from './pql-unknown-function.ts'
import { pqlUnsupported } from './pql-unsupported.ts'
import { retentionExceeded } from './retention-exceeded.ts'
import type { Rule } from './rule.ts'
import { segmentActivatedTwice } from './segment-activated-twice.ts'
import { segmentCycle } from './segment-cycle.ts'
import { streamOnBatchSegment } from './stream-on-batch-segment.ts'
import { streamWithoutSource } from './stream-without-source.ts'
import { streamingTooFrequent } from './streaming-too-frequent.ts'
import { targetTypeMismatch } from './target-type-mismatch.ts'
import { tooManyAttributes } from './too-many-attributes.ts'
import { tooManyAudiences } from './too-many-audiences.ts'
import { tooManyBatchSegments } from './too-many-batch-segments.ts'
import { tooManyDatasets } from './too-many-datasets.ts'
import { tooManyDestinations } from './too-many-destinations.ts'
import { tooManyMergePolicies } from './too-many-merge-policies.ts'
import { tooManyRecordIdentities } from './too-many-record-identities.ts'
import { tooManyRowsPerFile } from './too-many-rows-per-file.ts'
import { tooManySegments } from './too-many-segments.ts'
import { tooManySequentialEvents } from './too-many-sequential-events.ts'
import { tooManySourceFields } from './too-many-source-fields.ts'
import { tooManyStreamingSegments } from './too-many-streaming-segments.ts'
import { unboundedLookBack } from './unbounded-look-back.ts'
import { unexplainedSuppression } from './unexplained-suppression.ts'
import { uniqueWithoutStitching } from './unique-without-stitching.ts'
import { unknownAttribute } from './unknown-attribute.ts'
import { unknownField } from './unknown-field.ts'
import { unknownKind } from './unknown-kind.ts'
import { unknownTargetColumn } from './unknown-target-column.ts'
import { unknownTimeZone } from './unknown-time-zone.ts'
import { unreachableIdentity } from './unreachable-identity.ts'
import { unreachableSchedule } from './unreachable-schedule.ts'
import { unresolvedReference } from './unresolved-reference.ts'
import { unstatedConsent } from './unstated-consent.ts'
import { unsupportedActivationFrequency } from './unsupported-activation-frequency.ts'
import { unsupportedAudienceName } from './unsupported-audience-name.ts'
import { unsupportedCampaignVersion } from './unsupported-campaign-version.ts'
import { unusedSuppression } from './unused-suppression.ts'
import { wrongType } from './wrong-type.ts'
import { yamlSyntax } from './yaml-syntax.ts'

export type { Rule, RuleContext } from './rule.ts'

/** Every code, with its page and, for guardrails, its check. */
export const rules: { readonly [code in Code]: Rule } = {
  'yaml-syntax': yamlSyntax,
  'duplicate-key': duplicateKey,
  'ambiguous-scalar': ambiguousScalar,
  'unknown-kind': unknownKind,
  'unknown-field': unknownField,
  'missing-field': missingField,
  'wrong-type': wrongType,
  'invalid-value': invalidValue,
  'unresolved-reference': unresolvedReference,
  'duplicate-resource': duplicateResource,
  'segment-cycle': segmentCycle,
  'invalid-schedule': invalidSchedule,
  'unreachable-schedule': unreachableSchedule,
  'unknown-time-zone': unknownTimeZone,
  'invalid-pod-template': invalidPodTemplate,
  'pql-syntax': pqlSyntax,
  'pql-unknown-function': pqlUnknownFunction,
  'pql-type-mismatch': pqlTypeMismatch,
  'unknown-attribute': unknownAttribute,
  'pql-unsupported': pqlUnsupported,
  'beyond-pql': beyondPql,
  'hand-built-birthday': handBuiltBirthday,
  'expression-too-large': expressionTooLarge,
  'too-many-sequential-events': tooManySequentialEvents,
  'many-aggregations': manyAggregations,
  'deeply-nested-data': deeplyNestedData,
  'unbounded-look-back': unboundedLookBack,
  'missing-organization': missingOrganization,
  'missing-entitlement': missingEntitlement,
  'missing-product-context': missingProductContext,
  'invalid-ims-org': invalidImsOrg,
  'different-organizations': differentOrganizations,
  'unsupported-campaign-version': unsupportedCampaignVersion,
  'multiple-organizational-units': multipleOrganizationalUnits,
  'creates-profiles': createsProfiles,
  'too-many-segments': tooManySegments,
  'many-segments': manySegments,
  'too-many-attributes': tooManyAttributes,
  'many-segments-of-activation': manySegmentsOfActivation,
  'many-attributes': manyAttributes,
  'too-many-destinations': tooManyDestinations,
  'too-many-source-fields': tooManySourceFields,
  'activation-too-frequent': activationTooFrequent,
  'unsupported-activation-frequency': unsupportedActivationFrequency,
  'full-export-too-frequent': fullExportTooFrequent,
  'export-before-evaluation': exportBeforeEvaluation,
  'many-hourly-exports': manyHourlyExports,
  'segment-activated-twice': segmentActivatedTwice,
  'unreachable-identity': unreachableIdentity,
  'unique-without-stitching': uniqueWithoutStitching,
  'too-many-record-identities': tooManyRecordIdentities,
  'unstated-consent': unstatedConsent,
  'nobody-with-consent': nobodyWithConsent,
  'consent-without-exits': consentWithoutExits,
  'batch-evaluated-too-often': batchEvaluatedTooOften,
  'streaming-too-frequent': streamingTooFrequent,
  'not-streamable': notStreamable,
  'stream-without-source': streamWithoutSource,
  'stream-on-batch-segment': streamOnBatchSegment,
  'array-attribute': arrayAttribute,
  'map-attribute': mapAttribute,
  'object-attribute': objectAttribute,
  'event-attribute': eventAttribute,
  'encrypted-file': encryptedFile,
  'exits-without-membership-status': exitsWithoutMembershipStatus,
  'exits-in-full-export': exitsInFullExport,
  'incremental-without-membership-status': incrementalWithoutMembershipStatus,
  'file-name-too-long': fileNameTooLong,
  'file-name-collision': fileNameCollision,
  'too-many-rows-per-file': tooManyRowsPerFile,
  'unsupported-audience-name': unsupportedAudienceName,
  'missing-deduplication-key': missingDeduplicationKey,
  'optional-deduplication-key': optionalDeduplicationKey,
  'unknown-target-column': unknownTargetColumn,
  'target-type-mismatch': targetTypeMismatch,
  'missing-reconciliation-key': missingReconciliationKey,
  'retention-exceeded': retentionExceeded,
  'too-many-datasets': tooManyDatasets,
  'too-many-merge-policies': tooManyMergePolicies,
  'too-many-batch-segments': tooManyBatchSegments,
  'too-many-streaming-segments': tooManyStreamingSegments,
  'too-many-audiences': tooManyAudiences,
  'deep-identity': deepIdentity,
  'many-batches': manyBatches,
  'unexplained-suppression': unexplainedSuppression,
  'unused-suppression': unusedSuppression,
}
