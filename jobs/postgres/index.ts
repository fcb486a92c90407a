export { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded.ts'
export { ensureLogTables, ensureTarget } from './target.ts'
