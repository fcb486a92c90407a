import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { renderText, summaryText } from '#compiler'
import { type Command, exitCodes, instant, text, UsageError } from '../command.ts'
import { progressLine } from '../progress.ts'
import { projectName } from '../report-file.ts'
import { compilePaths, readConfig } from '../sources.ts'
import { whereabouts, whereOptions } from '../whereabouts.ts'

export const command: Command = {
  summary: 'Write a catalog of all resources as web pages: search, a page each, lineage, owners, tests, limits',
  usage: 'docs PATH… --out DIR [--volumes DIR] [--workdir DIR]',
  description:
    'The pages are files: they open from the disk and work on any host of files, and ask nobody for anything. With --volumes they say sizes, their\n' +
    'history and what each condition keeps; with --workdir also what Campaign has. They count people and name none. What DIR held of an earlier\n' +
    'catalog is replaced; a folder that holds something else is left alone.',
  options: {
    out: { type: 'string', value: 'DIR', help: 'the folder to write, for example site' },
    at: { type: 'string', value: 'TIME', help: 'what the pages call now (default: now)' },
    ...whereOptions,
  },
  examples: [
    'convoke docs examples/retail --out .work/catalog',
    'convoke docs . --out site --volumes .work/retail/volumes --workdir .work/retail/work',
  ],
  exits: '0 written, 1 written, and the resources have errors, 2 wrong use or unreadable input',
  run: async ({ positionals, values, io }) => {
    const given = text(values, 'out')
    if (given === null || given === '')
      throw new UsageError('--out DIR is missing: the folder to write, for example site.')
    const out = resolve(io.cwd, given)
    const earlier = earlierFiles(out)
    const where = whereabouts(values, io)
    const at = instant(values, 'at') ?? io.now()
    const started = performance.now()
    const { input, compilation } = compilePaths(positionals, io)
    const { diagnostics, count } = compilation
    const errors = diagnostics.filter(({ severity }) => severity === 'error')
    if (errors.length > 0)
      io.err(
        `${renderText(errors.slice(0, 20), input.sources, { colour: io.colour, width: io.columns })}\n${summaryText(diagnostics, count)}; the pages say so too\n`,
      )
    const [{ readCatalog }, { bytes, catalogSite }] = await Promise.all([import('../catalog.ts'), import('#views')])
    const line = progressLine(io)
    const catalog = await readCatalog(compilation, { where, at }, io, line)
    const written: string[] = []
    let size = 0
    try {
      const paths = positionals.length > 0 ? positionals : readConfig(io).paths
      for (const file of catalogSite(catalog, { where: projectName(paths, io) })) {
        const path = join(out, ...file.path.split('/'))
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, file.text)
        written.push(file.path)
        size += Buffer.byteLength(file.text)
        line.show({
          step: 'write',
          subject: given,
          done: written.length,
          total: catalog.resources.length,
          unit: 'pages',
        })
      }
      const kept = new Set(written)
      for (const file of earlier) if (!kept.has(file)) rmSync(join(out, ...file.split('/')), { force: true })
      writeFileSync(join(out, listName), `${written.join('\n')}\n`)
    } catch (error) {
      line.clear()
      throw new UsageError(`\`${given}\` cannot be written: ${error instanceof Error ? error.message : String(error)}.`)
    }
    line.clear()
    const seconds = (performance.now() - started) / 1000
    const shown = relative(io.cwd, out).startsWith('..') ? out : relative(io.cwd, out) || '.'
    io.out(
      `${written.length} files (${bytes(size)}) in ${seconds.toFixed(1)} s. Open ${join(shown, 'index.html')} in a browser.\n`,
    )
    return errors.length > 0 ? exitCodes.findings : exitCodes.fine
  },
}

/** The file with the names of the catalog's files, so that the next catalog knows which of them to remove. */
const listName = '.convoke-catalog'

/** The catalog's files that the folder holds. Throws UsageError for a folder with other files: it is not ours to write into. */
function earlierFiles(out: string): readonly string[] {
  if (!existsSync(out)) return []
  const list = join(out, listName)
  let entries: readonly string[]
  try {
    entries = readdirSync(out)
    if (existsSync(list))
      return (
        readFileSync(list, 'utf8')
          .split('\n')
          // No path out of the folder, whatever somebody wrote into the list.
          .filter((file) => /^[\w.-]+(?:\/[\w.-]+)*$/.test(file) && !file.split('/').includes('..'))
      )
  } catch {
    throw new UsageError(`\`${out}\` is not a folder that can be read.`)
  }
  if (entries.some((name) => !name.startsWith('.')))
    throw new UsageError(`\`${out}\` holds something that is no catalog. Give a new folder with --out.`)
  return []
}
