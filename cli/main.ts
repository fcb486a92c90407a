import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Step, stepNames } from '#crds'
import { type Command, exitCodes, type Io, UsageError } from './command.ts'
import { safeIo } from './safe-output.ts'
import { version } from './version.ts'

/** Every command, loaded on demand, so that none pays for what another needs. */
export const commands: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  check: () => import('./commands/check.ts'),
  explain: () => import('./commands/explain.ts'),
  compile: () => import('./commands/compile.ts'),
  plan: () => import('./commands/plan.ts'),
  test: () => import('./commands/test.ts'),
  query: () => import('./commands/query.ts'),
  members: () => import('./commands/members.ts'),
  history: () => import('./commands/history.ts'),
  overlap: () => import('./commands/overlap.ts'),
  campaign: () => import('./commands/campaign.ts'),
  slots: () => import('./commands/slots.ts'),
  graph: () => import('./commands/graph.ts'),
  docs: () => import('./commands/docs.ts'),
  status: () => import('./commands/status.ts'),
  watch: () => import('./commands/watch.ts'),
  run: () => import('./commands/run.ts'),
  approve: () => import('./commands/approve.ts'),
  logs: () => import('./commands/logs.ts'),
  why: () => import('./commands/why.ts'),
  'support-bundle': () => import('./commands/support-bundle.ts'),
  operator: () => import('./commands/operator.ts'),
  ...Object.fromEntries(stepNames.map((name) => [name, () => stepNamed(name)])),
  ingest: () => import('./commands/ingest.ts'),
  report: () => import('./commands/report.ts'),
  init: () => import('./commands/init.ts'),
  fmt: () => import('./commands/fmt.ts'),
  convert: () => import('./commands/convert.ts'),
  lsp: () => import('./commands/lsp.ts'),
  schema: () => import('./commands/schema.ts'),
  completion: () => import('./commands/completion.ts'),
}

async function stepNamed(name: Step): Promise<{ readonly command: Command }> {
  const { stepCommand } = await import('./commands/step.ts')
  return { command: stepCommand(name) }
}

/** Runs one command line and resolves with its exit code. All errors are caught here, once. */
export async function main(argv: readonly string[], bare: Io): Promise<number> {
  const io = safeIo(bare)
  const [name, ...rest] = argv
  try {
    if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
      if (rest[0] && commands[rest[0]]) return await main([rest[0], '--help'], bare)
      io.out(await overview(io.program))
      return name === undefined ? exitCodes.wrongUse : exitCodes.fine
    }
    if (name === '__complete') {
      const { complete } = await import('./complete.ts')
      io.out(await complete(rest, commands, io))
      return exitCodes.fine
    }
    if (name === 'version' || name === '--version') {
      io.out(`convoke ${version()}\n`)
      return exitCodes.fine
    }
    const load = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!load) {
      const { nearest } = await import('#compiler')
      const near = nearest(name, Object.keys(commands))[0]
      throw new UsageError(
        `There is no command \`${name}\`.${near ? ` Did you mean \`${near}\`?` : ''} \`${io.program} --help\` lists them.`,
      )
    }
    const { command } = await load()
    if (rest.includes('--help') || rest.includes('-h')) {
      io.out(helpOf(command, io.program))
      return exitCodes.fine
    }
    const { values, positionals } = parse(command, rest, io.program)
    return await command.run({ values, positionals, io })
  } catch (error) {
    if (error instanceof UsageError) {
      io.err(`convoke: ${error.message}\n`)
      return exitCodes.wrongUse
    }
    io.err(
      `convoke: this is a fault in Convoke, not in what you wrote; please report it with what follows.\n${error instanceof Error ? error.stack : String(error)}\n`,
    )
    return exitCodes.findings
  }
}

function parse(
  command: Command,
  args: readonly string[],
  program: Io['program'],
): { values: { [name: string]: string | boolean | (string | boolean)[] | undefined }; positionals: string[] } {
  const options = Object.fromEntries(
    Object.entries(command.options).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short ? { short } : {}), ...(multiple ? { multiple } : {}) },
    ]),
  )
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    // parseArgs words its complaints well enough; the next step is ours.
    const said = error instanceof Error ? error.message.split('. ')[0] : String(error)
    throw new UsageError(`${said}. See \`${program} ${command.usage.split(' ')[0]} --help\`.`)
  }
}

/** Headings in the overview, each before the command that begins it. */
const chapters: Readonly<Record<string, string>> = {
  check: 'With files',
  status: 'In a cluster',
  [stepNames[0]]: 'Job steps, as containers run them',
  init: 'Writing',
}

async function overview(program: Io['program']): Promise<string> {
  const rows = await Promise.all(
    Object.entries(commands).map(async ([name, load]) => [name, (await load()).command.summary] as const),
  )
  const width = Math.max(...rows.map(([name]) => name.length))
  return [
    'Customer audiences as code: checked before anything runs, delivered to Adobe Campaign.',
    '',
    `Usage: ${program} COMMAND …`,
    '',
    ...rows.flatMap(([name, summary]) => [
      ...(chapters[name] ? [...(name === rows[0]?.[0] ? [] : ['']), `${chapters[name]}:`] : []),
      `  ${name.padEnd(width)}  ${summary}`,
    ]),
    '',
    `Try \`${program} check examples/minimal\`, and \`${program} COMMAND --help\` for examples.`,
    '',
  ].join('\n')
}

function helpOf(command: Command, program: Io['program']): string {
  const options = Object.entries(command.options).map(
    ([name, option]) =>
      [
        `${option.short ? `-${option.short}, ` : ''}--${name}${option.type === 'string' ? ` ${option.value ?? 'VALUE'}` : ''}`,
        option.help,
      ] as const,
  )
  const width = Math.max(0, ...options.map(([left]) => left.length))
  return [
    command.summary,
    '',
    `Usage: ${program} ${command.usage}`,
    ...(command.description ? ['', command.description] : []),
    ...(options.length > 0
      ? ['', 'Options:', ...options.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`)]
      : []),
    '',
    command.examples.length === 1 ? 'Example:' : 'Examples:',
    ...command.examples.map((example) => `  ${example.replace(/^convoke /, `${program} `)}`),
    '',
    `Exit code: ${command.exits ?? '0 fine, 1 findings or failed work, 2 wrong use or unreadable input'}.`,
    '',
  ].join('\n')
}

if (import.meta.main) {
  // Types are stripped once, not at every start.
  enableCompileCache()
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort())
  // A reader that stops reading (`| head`) is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.fine)
    throw error
  })
  const work = main(process.argv.slice(2), {
    // bin/kubectl-convoke sets this.
    program: process.env['CONVOKE_PROGRAM'] === 'kubectl convoke' ? 'kubectl convoke' : 'convoke',
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    document: (text) => void process.stdout.write(text),
    isTerminal: process.stderr.isTTY === true && process.env['CI'] === undefined && process.env['TERM'] !== 'dumb',
    // Some terminals do not tell their height.
    rows: process.stdout.isTTY === true ? process.stdout.rows || 24 : null,
    columns: process.stdout.columns ?? process.stderr.columns ?? 100,
    // Findings go to either stream; where one of them is a file, it gets no colours.
    colour: process.env['NO_COLOR']
      ? false
      : process.env['FORCE_COLOR']
        ? true
        : process.stdout.isTTY === true && process.stderr.isTTY === true,
    env: process.env,
    cwd: process.cwd(),
    readStdin: () => readFileSync(0),
    ask: process.stdin.isTTY === true && process.stderr.isTTY === true && process.env['CI'] === undefined ? ask : null,
    now: () => new Date(),
    signal: abort.signal,
  })
  process.exitCode = await Promise.race([work, endOfGrace(abort.signal)])
  // A process that was asked to stop does not wait for what is still open.
  if (abort.signal.aborted) exitNow()
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // Ctrl-C and Ctrl-D end the question without an answer.
  const ended = new Promise<string>((answered) => terminal.once('close', () => answered('')))
  try {
    return await Promise.race([terminal.question(question), ended])
  } finally {
    terminal.close()
  }
}

/** How long a command may take to end after it was asked to stop; less than a Pod's usual 30 s. */
async function endOfGrace(stop: AbortSignal): Promise<number> {
  await new Promise((asked) => stop.addEventListener('abort', asked, { once: true }))
  await sleep(20_000, null, { ref: false })
  return exitCodes.findings
}

function exitNow(): void {
  // A call of the file system that never returns, into a pipe or to a server that is gone, would hold up the process's end.
  if (process.getActiveResourcesInfo().some((what) => what.startsWith('FSReq'))) {
    process.emit('exit', Number(process.exitCode))
    process.kill(process.pid, 'SIGKILL')
  }
  process.exit()
}
