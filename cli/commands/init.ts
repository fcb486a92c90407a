import { constants, copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { type Command, exitCodes, UsageError } from '../command.ts'

export const command: Command = {
  summary: 'Begin a project: one resource of each kind with comments, a test, CI, and sample data to run',
  usage: 'init [DIR]',
  description:
    'A file that is there already is kept as it is. `convoke check` and `convoke test` pass on what is written.',
  options: {},
  examples: ['convoke init audiences && cd audiences && convoke check . && convoke test .'],
  run: async ({ positionals, io }) => {
    const [given = '.', ...more] = positionals
    if (more.length > 0) throw new UsageError('`convoke init` takes one directory.')
    const folder = resolve(io.cwd, given)
    let written = 0
    for (const template of filesUnder(templates)) {
      // A `.gitignore` among the templates would be one of Convoke's own.
      const name = relative(templates, template).replace(/^gitignore$/, '.gitignore')
      const file = join(folder, name)
      const shown = relative(io.cwd, file)
      if (existsSync(file)) {
        io.err(`kept     ${shown}\n`)
        continue
      }
      mkdirSync(dirname(file), { recursive: true })
      copyFileSync(template, file, constants.COPYFILE_EXCL)
      io.err(`written  ${shown}\n`)
      written += 1
    }
    const step = given === '.' ? '' : `cd ${given} && `
    io.out(
      written === 0
        ? 'Nothing was written: every file is there already.\n'
        : `${written} files written. Next: ${step}convoke check . && convoke test . (README.md says more)\n`,
    )
    return exitCodes.fine
  },
}

const templates = join(import.meta.dirname, '..', 'init')

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesUnder(join(folder, entry.name)) : [join(folder, entry.name)]))
}
