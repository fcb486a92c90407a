// Generated from crds/ by `npm run generate`. Do not edit.
import type { ErrorObject } from 'ajv'
type Validator = { (value: unknown): boolean; errors?: ErrorObject[] | null }
export const Activation: Validator
export const CampaignInstance: Validator
export const CampaignSource: Validator
export const Dataset: Validator
export const Destination: Validator
export const Organization: Validator
export const ProfileStore: Validator
export const Run: Validator
export const Segment: Validator
export const DeliveryManifest: Validator
export const JobPlan: Validator
export const RunInput: Validator
export const RunReport: Validator
export const SegmentTest: Validator
