// `make demo`: fetches the public data, then runs two days of cdnow and retail from YAML to an updated Campaign, and says what to look at.
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

type Demo = {
  readonly resources: string
  readonly volumes: string
  readonly fetch?: string
  readonly at: readonly string[]
}

const root = join(import.meta.dirname, '..')
const started = Date.now()
const wanted = process.argv.slice(2)
let ran: string[] = []

for (const name of wanted.length > 0 ? wanted : ['cdnow', 'retail']) {
  if (!demo(name)) {
    // Without pip there is still something to see.
    if (wanted.length === 0 && ran.length === 0) {
      console.log('\nThe public data cannot be fetched here (see above); running examples/minimal instead.')
      demo('minimal')
    }
    break
  }
}

const first = ran[0]
if (first === undefined) process.exitCode = 1
else {
  const volumes = `${settings(first).volumes}`
  console.log(
    [
      '',
      `Done in ${Math.round((Date.now() - started) / 1000)} s. What these runs did, to look at in a browser:`,
      ...ran.map((name) => `  ${pathToFileURL(join(root, reportOf(name)))}`),
      '',
      'And then:',
      `  ls ${volumes}/landing-zone/*                   the files for Campaign, one for each Segment, and their manifests`,
      `  ls .work/${first}/work/runs                     what each job was given; repeat one with bin/convoke export --plan … --run …`,
      `  bin/convoke check ${settings(first).resources}  the compiler; break something in there and check again`,
      `  bin/convoke docs ${settings(first).resources} --out .work/${first}/catalog --volumes ${volumes} --workdir .work/${first}/work`,
      `                                                 a catalog: each Segment in words, what its conditions keep, how it changed`,
      `  bin/convoke slots ${settings(first).resources} --from 2026-12-01 --to 2026-12-02`,
      '  bin/convoke explain too-many-segments',
      '  examples/README.md                              the data, and what each Segment means',
    ].join('\n'),
  )
}

/** The page that the last run of an example leaves. */
function reportOf(name: string): string {
  return `.work/${name}/report.html`
}

function settings(name: string): Demo {
  return JSON.parse(readFileSync(join(root, 'examples', name, 'demo.json'), 'utf8'))
}

/** Runs one example; false where its data cannot be had. */
function demo(name: string): boolean {
  const { resources, volumes, fetch, at } = settings(name)
  console.log(`\n━━ ${name}: ${resources}`)
  if (fetch !== undefined && node('examples/fetch.ts', fetch) !== 0) return false
  const work = `.work/${name}/work`
  // The demo starts from nothing each time; what it leaves is there to look at until the next.
  rmSync(join(root, work), { recursive: true, force: true })
  for (const claim of ['profile-store', 'landing-zone']) {
    const folder = join(root, volumes, claim)
    spawnSync('sh', [
      '-c',
      'mkdir -p "$1" && find "$1" -mindepth 1 ! -name .gitignore ! -name .gitkeep -delete',
      'sh',
      folder,
    ])
  }
  for (const instant of at) {
    console.log(`\n── convoke run ${resources} --at ${instant} --report ${reportOf(name)}`)
    const places = ['--workdir', work, '--volumes', volumes]
    if (node('cli/main.ts', 'run', resources, ...places, '--at', instant, '--report', reportOf(name)) !== 0)
      process.exitCode = 1
  }
  ran = [...ran, name]
  return true
}

function node(script: string, ...args: readonly string[]): number {
  return (
    spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
      cwd: root,
      stdio: 'inherit',
    }).status ?? 1
  )
}
