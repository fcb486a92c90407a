/** A row of the manual: what a function is called with, means, and gives for the example profile of docs/pql.md. */
export type FunctionEntry = {
  readonly form: 'method' | 'function'
  readonly group: 'text' | 'array' | 'aggregation' | 'date' | 'map' | 'object' | 'membership' | 'logic'
  readonly signature: string
  readonly doc: string
  /** Whether PQL has no such function: a Segment that uses it cannot be moved to Experience Platform. */
  readonly extension?: true
  readonly examples: readonly (readonly [pql: string, holds: boolean])[]
}
