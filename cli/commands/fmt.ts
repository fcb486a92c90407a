import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import { formatSource } from '#compiler'
import { type Command, exitCodes } from '../command.ts'
import { readSources } from '../sources.ts'

export const command: Command = {
  summary: 'Format expressions; the YAML around them stays as it is',
  usage: 'fmt PATH… [--check] [--diff]',
  description:
    'Only expressions of Segments and SegmentTests change, comments and layout of the YAML do not. What has a syntax fault is left as it is:\n' +
    '`convoke check` shows it. With - as PATH the formatted text goes to standard output.',
  options: {
    check: { type: 'boolean', help: 'change nothing; exit code 1 where something is not formatted' },
    diff: { type: 'boolean', help: 'change nothing; print what would change' },
  },
  examples: ['convoke fmt audiences', 'convoke fmt --check --diff .', 'convoke fmt - < segment.yaml'],
  run: async ({ positionals, values, io }) => {
    const { sources, diagnostics } = readSources(positionals, io)
    for (const { file, message } of diagnostics) io.err(`${file}: ${message}\n`)
    const isDry = values['check'] === true || values['diff'] === true
    let changed = 0
    for (const source of sources) {
      const formatted = formatSource(source)
      const isStdin = source.file === '<stdin>'
      if (isStdin && !isDry) io.document(formatted)
      if (formatted === source.text) continue
      changed += 1
      if (values['diff'] === true) io.out(patchOf(source.file, source.text, formatted))
      else if (!isStdin || isDry) io.out(`${source.file}\n`)
      if (!isDry && !isStdin) writeFileSync(resolve(io.cwd, source.file), formatted)
    }
    const files = `${sources.length} ${sources.length === 1 ? 'file' : 'files'}`
    io.err(`${changed} of ${files} ${isDry ? 'would be' : changed === 1 ? 'was' : 'were'} formatted\n`)
    return (values['check'] === true && changed > 0) || diagnostics.length > 0 ? exitCodes.findings : exitCodes.fine
  },
}

/** A patch as `git apply` takes it. */
function patchOf(file: string, before: string, after: string): string {
  return createTwoFilesPatch(file, file, before, after, undefined, undefined, {
    context: 3,
    headerOptions: FILE_HEADERS_ONLY,
  })
}
