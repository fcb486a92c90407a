import { filePartName, longestNameBytes } from '#crds'
import { exampleFileName } from '../file-name.ts'
import type { Rule } from './rule.ts'

export const fileNameTooLong: Rule = {
  severity: 'error',
  page: {
    title: "A file's name is too long",
    checks:
      '`file.nameTemplate` of a Destination with the names of every Activation and Segment filled in, a split number and the extension included, against `limits.fileNameLength` of the CampaignInstance (255 characters; with `enforcement.fileNameLength: Warn` it is a warning) and the 255 bytes of UTF-8 that file systems take. In a cluster the Segments in question are held, and the others are delivered.',
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
      const { compression } = destination.spec.file
      const files = activations.flatMap((activation) =>
        activation.segments.map((segment) => {
          const name = filePartName(exampleFileName(activation, segment, organization), mostParts, compression)
          return { activation: activation.resource, segment: segment.resource, name }
        }),
      )
      /** The names that are too long, the longest first. */
      const beyond = (lengthOf: (name: string) => number, most: number, words: string) =>
        files
          .map(({ name, ...file }) => ({ ...file, length: lengthOf(name), by: lengthOf(name) - most, words }))
          .filter(({ by }) => by > 0)
          .sort((a, b) => b.by - a.by)
      const limit = instance.spec.limits.fileNameLength
      const beyondLimit = beyond((name) => name.length, limit, `characters, the limit is ${limit}`)
      const beyondSystem = beyond(
        (name) => utf8.encode(name).length,
        longestNameBytes,
        `bytes, a file system takes ${longestNameBytes}`,
      )
      const errors =
        instance.spec.enforcement.fileNameLength === 'Warn' ? beyondSystem : [...beyondLimit, ...beyondSystem]
      const [longest] = [...errors, ...beyondLimit]
      if (!longest) return
      const messageOf = ({ segment, length, words }: typeof longest): string =>
        `The file name of \`${shortened(segment.name)}\` comes to ${length} ${words}`
      report({
        path: ['spec', 'file', 'nameTemplate'],
        message: messageOf(longest),
        help: `Shorten the template or the name by ${longest.by}; \`_${mostParts}\` is counted in for files that are split.`,
        related: [
          { resource: longest.segment, path: ['metadata', 'name'], message: 'the longest name' },
          { resource: instance, path: ['spec', 'limits', 'fileNameLength'], message: `the limit is ${limit}` },
        ],
        severity: errors.length > 0 ? 'error' : 'warning',
        without: [
          {
            keepsOne: false,
            deliveries: errors.map((file) => ({
              activation: file.activation.name,
              segment: file.segment.name,
              message: messageOf(file),
            })),
          },
        ],
      })
    },
  },
}

const utf8 = new TextEncoder()

/** Enough for 99 files: 495 million rows unless maxRows is lower. */
const mostParts = 99

function shortened(name: string): string {
  return name.length > 40 ? `${name.slice(0, 39)}…` : name
}
