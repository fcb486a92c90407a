import { exampleFileName, fileExtension } from '../file-name.ts'
import type { Rule } from './rule.ts'

export const fileNameTooLong: Rule = {
  severity: 'error',
  page: {
    title: "A file's name is too long",
    checks:
      '`file.nameTemplate` of a Destination with the names of every Activation and Segment filled in, a split number and the extension included, against `limits.fileNameLength` of the CampaignInstance (255 characters). With `enforcement.fileNameLength: Warn` it is a warning.',
    why: 'Activation fails for longer names.',
    source: 'Adobe Campaign Managed Cloud Services connection, guardrails',
    bad: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  limits: { fileNameLength: 40 }
`,
    good: `
kind: CampaignInstance
metadata: { name: letters }
spec:
  limits: { fileNameLength: 60 }
`,
  },
  check: {
    Destination(destination, { model, report }) {
      const activations = model.relations.activationsOfDestination(destination)
      const instance = activations[0]?.instance
      if (!instance) return
      const organization = instance.spec.organizationRef.name
      const names = activations.flatMap((activation) =>
        activation.segments.map((segment) => ({ segment, text: exampleFileName(activation, segment, organization) })),
      )
      const longest = names.reduce(
        (best, name) => (name.text.length > (best?.text.length ?? 0) ? name : best),
        names[0],
      )
      const limit = instance.spec.limits.fileNameLength
      if (!longest) return
      const length = longest.text.length + splitNumber.length + fileExtension(destination.spec.file.compression).length
      if (length <= limit) return
      report({
        path: ['spec', 'file', 'nameTemplate'],
        message: `The file name of \`${shortened(longest.segment.resource.name)}\` comes to ${length} characters, the limit is ${limit}`,
        help: `Shorten the template or the name by ${length - limit}; \`${splitNumber}\` is counted in for files that are split.`,
        related: [
          { resource: longest.segment.resource, path: ['metadata', 'name'], message: 'the longest name' },
          { resource: instance, path: ['spec', 'limits', 'fileNameLength'], message: `the limit is ${limit}` },
        ],
        severity: instance.spec.enforcement.fileNameLength === 'Warn' ? 'warning' : 'error',
      })
    },
  },
}

/** Enough for 99 files: 495 million rows unless maxRows is lower. */
const splitNumber = '_99'

function shortened(name: string): string {
  return name.length > 40 ? `${name.slice(0, 39)}…` : name
}
