export { openPreview, type Preview, type PreviewPerson, type PreviewValue } from './preview.ts'
