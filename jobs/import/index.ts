export { importFiles } from './import.ts'
