export { exportSegments } from './export.ts'
export { fileNameOf, manifestNameOf } from './file-names.ts'
