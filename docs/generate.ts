import { writeFileSync } from 'node:fs'
import { adobeGuardrailsManual, guardrailsManual, pqlManual } from '#compiler'
import { chartFiles } from './chart.ts'
import { gitopsFiles } from './gitops.ts'
import { referenceFiles } from './reference.ts'

/** Texts that are made from the code, by their path from the root of the repository. */
export function documents(): Readonly<Record<string, string>> {
  return {
    'docs/guardrails.md': guardrailsManual(),
    'docs/adobe-guardrails.md': adobeGuardrailsManual(),
    'docs/pql.md': pqlManual(),
    ...chartFiles(),
    ...gitopsFiles(),
    ...referenceFiles(),
  }
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(documents())) writeFileSync(new URL(`../${path}`, import.meta.url), text)
}
