import type { Kind } from '#crds'
import type { Finding } from '../finding.ts'
import type { Model } from '../model.ts'
import type { Resource } from '../resource.ts'

/**
 * A code's page and, for a guardrail, its check. There is one file per code: the file's name, the export in camel case, the code and the
 * fixture are the same words. `explain`, docs/guardrails.md and the tests of the examples are made from it.
 */
export type Rule = {
  readonly severity: 'error' | 'warning'
  readonly page: RulePage
  /** Absent where an earlier phase (reader, schema, linker, language) reports the code. */
  readonly check?: { readonly [K in Kind]?: (resource: Resource<K>, context: RuleContext) => void }
}

export type RulePage = {
  /** One line: what is refused or warned about. */
  readonly title: string
  /** What is checked, with the limit and where it can be changed. */
  readonly checks: string
  /** What goes wrong otherwise. */
  readonly why: string
  /** Where the limit comes from: a page of Adobe's documentation by its title, a standard, Kubernetes, or Convoke itself. */
  readonly source: string
  /**
   * YAML documents that replace those of the same kind and name in the example bundle (test/fixtures/retail.yaml), or are
   * added to it; fields of `spec` that they leave out are taken from there. `bad` must be reported with this code and no other, `good`
   * must be clean.
   */
  readonly bad: string
  readonly good: string
}

export type RuleContext = {
  readonly model: Model
  /** Whether all resources of the kind are well-formed, so that none is missing from the model. */
  readonly isWhole: (kind: Kind) => boolean
  /** Whether expressions may use only what PQL has, whatever their stores say. */
  readonly strictPql: boolean
  readonly report: (finding: Finding) => void
}
