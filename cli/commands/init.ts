import { constants, copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { type Command, exitCodes, UsageError } from '../command.ts'

export const command: Command = {
  summary: 'Begin a project: one resource of each kind with comments, a test, CI, and sample data to run',
  usage: 'init [DIR] [--yes]',
  description:
    'Where a folder has something in it, it asks first; --yes says so beforehand, and without a terminal it takes that. A file that is there already is kept as it is.\n' +
    '`convoke check` and `convoke test` pass on what is written.',
  options: {
    yes: { type: 'boolean', short: 'y', help: 'also into a folder that is not empty; nothing is overwritten' },
  },
  examples: ['convoke init audiences && cd audiences && convoke check . && convoke test .'],
  run: async ({ positionals, values, io }) => {
    const [given = '.', ...more] = positionals
    if (more.length > 0) throw new UsageError('`convoke init` takes one directory.')
    const folder = resolve(io.cwd, given)
    const others = existsSync(folder) ? readdirSync(folder).filter((name) => !quiet.has(name)) : []
    if (others.length > 0 && values['yes'] !== true) {
      const shown = others.slice(0, 3).join(', ')
      const holds = `\`${given}\` is not empty: it holds ${shown}${others.length > 3 ? ` and ${others.length - 3} more` : ''}.`
      if (io.ask === null)
        throw new UsageError(
          `${holds} Name another folder, or give --yes to write beside that; nothing is overwritten.`,
        )
      const answer = await io.ask(`${holds} Write beside that? Nothing is overwritten. (y/N) `)
      if (!/^\s*y(es)?\s*$/i.test(answer)) {
        io.err('Nothing was written.\n')
        return exitCodes.findings
      }
    }
    let written = 0
    for (const template of filesUnder(templates)) {
      // A `.gitignore` among the templates would apply to Convoke's own repository.
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

/** What a freshly made repository may hold. */
const quiet = new Set(['.git', '.gitignore', '.gitattributes', 'LICENSE', 'README.md'])

const templates = join(import.meta.dirname, '..', 'init')

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesUnder(join(folder, entry.name)) : [join(folder, entry.name)]))
}
