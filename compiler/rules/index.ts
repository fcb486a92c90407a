export { type Code, codes } from './codes.ts'
export type { Finding, Rule, RuleContext, RulePage } from './rule.ts'
import type { Code } from './codes.ts'
import type { Rule } from './rule.ts'

/** Every code with its page and, for guardrails, its check. */
export const rules: Partial<Record<Code, Rule>> = {}
