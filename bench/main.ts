// `npm run bench -- NAME [args]`: one JSON object from bench/NAME.ts. Benchmarks print; they gate nothing.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const [name, ...args] = process.argv.slice(2)
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'main.ts')
  .map((file) => file.slice(0, -'.ts'.length))
  .sort()
if (name === undefined || !existsSync(join(import.meta.dirname, `${name}.ts`))) {
  console.error(`Name a benchmark: ${names.join(', ')}.`)
  process.exitCode = 2
} else {
  const { run }: { run?: (args: readonly string[]) => unknown } = await import(`./${name}.ts`)
  // A benchmark without `run` has printed its object by now.
  if (run) console.log(JSON.stringify(await run(args), null, 2))
}
