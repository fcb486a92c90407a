export { segmentReferences } from './adobe-definition.ts'
export { segmentsOfAdobe } from './from-adobe.ts'
export { adobeOfSegments } from './to-adobe.ts'
