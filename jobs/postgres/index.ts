export { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded.ts'
export { ensureTarget } from './target.ts'
