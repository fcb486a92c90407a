import type { Code } from './codes.ts'
import type { FileSpan, Severity, Without } from './diagnostic.ts'
import type { Resource, Target } from './resource.ts'

/** What a rule says; code and severity come from the rule itself. Lengths: message ≤ 120 characters, no final stop. */
export type Finding = Target & {
  /** The resource to point at, when it is not the one the check was called with. */
  readonly resource?: Resource
  readonly message: string
  readonly help: string
  readonly why?: string
  readonly related?: readonly (Target & { readonly resource: Resource; readonly message: string })[]
  /** Replacements of the text of one field, by path. */
  readonly fixes?: readonly {
    readonly title: string
    readonly safety: 'safe' | 'review' | 'template'
    readonly path: readonly (string | number)[]
    readonly value: string
    readonly range?: FileSpan
  }[]
  /** Without these deliveries it would not be there: all else can go on. Absent: the resource as a whole is at fault. */
  readonly without?: readonly Without[]
  /** Weaker than the rule's own severity: a limit whose enforcement is `Warn`. */
  readonly severity?: Severity
}

/** A finding with its code, before `compile` gives it its severity and its places in files. */
export type LinkFinding = Finding & { readonly code: Code; readonly resource: Resource }
