import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { adobeOfSegments, type Diagnostic, renderText, segmentsOfAdobe } from '#compiler'
import { type Command, choice, exitCodes, text, UsageError } from '../command.ts'
import { readSources } from '../sources.ts'

export const command: Command = {
  summary: 'Adobe segment definitions (JSON) to Segments, and back',
  usage: 'convert FILE… [--store NAME] [--out DIR] [--to segment|adobe] [--format pql/text|pql/json]',
  description:
    'FILE holds one definition, a list, or a page as the API gives it ({"segments": […]}, {"children": […]} of audiences), with expressions in\n' +
    'pql/text or pql/json. References by id become names where the Segment is among the files given. Each field that no Segment has is said,\n' +
    'with what is lost: opt-outs, merge policies, states; audiences of accounts and prospects and external ones are refused.\n' +
    '--to adobe reads Segments and prints a list of definitions; one whose name does not follow from its display name\n' +
    'says it in `convoke.name`, which Adobe has not, so that the way back finds it. What cannot be converted is said and left out (exit code 1).',
  options: {
    to: { type: 'string', value: 'FORM', words: ['segment', 'adobe'], help: 'segment (default) or adobe' },
    format: {
      type: 'string',
      value: 'FORMAT',
      words: ['pql/text', 'pql/json'],
      help: 'of expressions for --to adobe: pql/text (default) or pql/json',
    },
    store: { type: 'string', value: 'NAME', help: 'the ProfileStore that the Segments belong to (default: profiles)' },
    out: { type: 'string', value: 'DIR', help: 'write NAME.yaml for each Segment there; no file is overwritten' },
  },
  examples: [
    'convoke convert definitions.json --store customers --out audiences',
    'convoke convert --to adobe audiences/*.yaml > definitions.json',
  ],
  run: async ({ positionals, values, io }) => {
    const to = choice(values, 'to', ['segment', 'adobe'])
    const format = choice(values, 'format', ['pql/text', 'pql/json'])
    const out = text(values, 'out')
    const input = readSources(positionals, io)
    const finish = (found: readonly Diagnostic[]): number => {
      const diagnostics = [...input.diagnostics, ...found]
      if (diagnostics.length > 0)
        io.err(`${renderText(diagnostics, input.sources, { colour: io.colour, width: io.columns })}\n`)
      return diagnostics.some(({ severity }) => severity === 'error') ? exitCodes.findings : exitCodes.fine
    }
    if (to === 'adobe') {
      if (out !== null) throw new UsageError('--out is for Segments; definitions go to standard output.')
      const { definitions, diagnostics } = adobeOfSegments(input.sources, format)
      io.out(`${JSON.stringify(definitions, null, 2)}\n`)
      return finish(diagnostics)
    }
    const { segments, diagnostics } = segmentsOfAdobe(input.sources, { store: text(values, 'store') ?? 'profiles' })
    if (out === null) {
      io.document(segments.map(({ yaml }) => yaml).join('---\n'))
      return finish(diagnostics)
    }
    const files = segments.map(({ name, yaml }) => ({ file: join(out, `${name}.yaml`), yaml }))
    const there = files.filter(({ file }) => existsSync(resolve(io.cwd, file)))
    if (there.length > 0)
      throw new UsageError(
        `\`${there[0]!.file}\` is there already. Remove it or name another directory; nothing was written.`,
      )
    mkdirSync(resolve(io.cwd, out), { recursive: true })
    for (const { file, yaml } of files) {
      writeFileSync(resolve(io.cwd, file), yaml, { flag: 'wx' })
      io.err(`${file}\n`)
    }
    return finish(diagnostics)
  },
}
