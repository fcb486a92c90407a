import type { Code } from './codes.ts'
import type { FileSpan, Severity, Without } from './diagnostic.ts'
import type { Resource, Target } from './resource.ts'

/** What a rule reports; code and severity come from the rule itself. A message has at most 120 characters and no final stop. */
export type Finding = Target & {
  /** The resource to point at, if it is not the one that the check was called with. */
  readonly resource?: Resource
  readonly message: string
  readonly help: string
  readonly why?: string
  readonly related?: readonly (Target & { readonly resource: Resource; readonly message: string })[]
  /** Replacements for the text of one field, by path. */
  readonly fixes?: readonly {
    readonly title: string
    readonly safety: 'safe' | 'review' | 'template'
    readonly path: readonly (string | number)[]
    readonly value: string
    readonly range?: FileSpan
  }[]
  /** Deliveries without which the finding would not be there, so that all else can go on. Absent: the resource as a whole is at fault. */
  readonly without?: readonly Without[]
  /** A severity below the rule's own: for a limit whose enforcement is `Warn`. */
  readonly severity?: Severity
}

/** A finding with its code, before `compile` adds severity and places in files. */
export type LinkFinding = Finding & { readonly code: Code; readonly resource: Resource }
