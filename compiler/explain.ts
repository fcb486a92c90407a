import { annotations } from '#crds'
import { type Code, codes } from './codes.ts'
import { isMeasuredCode, type MeasuredCode, measured } from './measured.ts'
import { rules } from './rules/index.ts'

/** A code's page, as Markdown without a final line break. */
export function explain(code: Code | MeasuredCode): string {
  if (isMeasuredCode(code)) return `# ${code}\n\n${measuredBody(code, '##')}`
  return `# ${code}\n\n${bodyOf(code, '##')}\n\n${aboutExamples(rules[code].page)}`
}

/** The text of docs/guardrails.md: every code's page, in the order of the manual. */
export function guardrailsManual(): string {
  const rows = codes.map((code) => `| [${code}](#${code}) | ${rules[code].severity} | ${rules[code].page.title} |`)
  const pages = codes.map((code) => `## ${code}\n\n${bodyOf(code, '###')}`)
  const found = Object.keys(measured).filter(isMeasuredCode)
  return [
    opening,
    table('what is found', rows),
    `What only data can tell is a warning of \`plan\` or of the Run that met it:`,
    table(
      'what is measured',
      found.map((code) => `| [${code}](#${code}) | warning | ${measured[code].title} |`),
    ),
    ...pages,
    ...found.map((code) => `## ${code}\n\n${measuredBody(code, '###')}`),
    '',
  ]
    .join('\n\n')
    .replace(/\n\n$/, '\n')
}

const opening = `<!-- Generated from compiler/rules by \`npm run generate\`. Do not edit. -->
# Findings and guardrails

Everything \`convoke check\` can find, and the operator as well: the compiler is the same. \`convoke explain CODE\` shows one page of these.

- **Errors** keep a resource from running. Where a finding comes from a limit of Campaign, the limit is raised where it lives, in
  \`spec.limits\` of the CampaignInstance; \`spec.enforcement\` makes going over it a warning. Both belong to the platform team.
- **Warnings** can be allowed on the resource they are reported for, with the reason:

  \`\`\`yaml
  metadata:
    annotations:
      ${annotations.allow}: |
        different-organizations: the merger is in spring
  \`\`\`

- **Examples** leave out what does not matter: fields that are not shown, and resources that are referred to, are those of
  [the example bundle](../test/fixtures/retail.yaml). \`# repeat: 1..20\` stands for twenty documents, \`$n\` for the number of each.
  Every example is compiled in the tests.

[adobe-guardrails.md](adobe-guardrails.md) has the pages of Adobe's with each of their guardrails.`

function bodyOf(code: Code, heading: '##' | '###'): string {
  const { severity, page } = rules[code]
  const allowed =
    severity === 'error'
      ? 'An error.'
      : `A warning; \`${annotations.allow}: "${code}: reason"\` on the resource allows it.`
  return [
    `${page.title}. ${allowed}`,
    `${heading} What is checked\n\n${page.checks}`,
    `${heading} Why\n\n${page.why}\n\nSource: ${page.source}.`,
    `${heading} Not like this\n\n${yaml(page.bad)}`,
    `${heading} But like this\n\n${yaml(page.good)}`,
  ].join('\n\n')
}

function table(what: string, rows: readonly string[]): string {
  return `| code | severity | ${what} |\n|---|---|---|\n${rows.join('\n')}`
}

/** The page of what a Run or `plan` measures. */
function measuredBody(code: MeasuredCode, heading: '##' | '###'): string {
  const { title, checks, why, source } = measured[code]
  return [
    `${title}. Measured: a warning of the Run that meets it.`,
    `${heading} What is checked\n\n${checks}`,
    `${heading} Why\n\n${why}\n\nSource: ${source}.`,
  ].join('\n\n')
}

function yaml(text: string): string {
  return `\`\`\`yaml\n${text.trim()}\n\`\`\``
}

function aboutExamples({ bad, good }: { readonly bad: string; readonly good: string }): string {
  const repeats = /^# repeat:/m.test(bad + good)
    ? ' `# repeat: 1..20` stands for twenty documents, `$n` for the number of each.'
    : ''
  return `Fields that the examples leave out are those of a bundle that is otherwise in order.${repeats}`
}
