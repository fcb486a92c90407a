// The product's image as the Dockerfile describes it, made without Docker.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { writeArchive } from '../../image/archive.ts'
import type { Skip } from './binaries.ts'
import { architectures } from './busybox.ts'

const root = join(import.meta.dirname, '../..')

export type ProductImage = {
  /** Repository and tag; the tag changes with what is inside. */
  readonly name: string
  /** Path of a docker-archive. Null where CONVOKE_TEST_IMAGE names an image that the cluster can pull. */
  readonly archive: string | null
}

/** Made once for the same sources. */
export async function productImage(): Promise<ProductImage | Skip> {
  const given = process.env['CONVOKE_TEST_IMAGE']
  if (given !== undefined) return { name: given, archive: null }
  if (process.env['CONVOKE_TEST_KUBECONFIG'] !== undefined)
    return {
      skip: 'CONVOKE_TEST_KUBECONFIG is given and CONVOKE_TEST_IMAGE, an image that its cluster can pull, is not',
    }
  if (process.platform !== 'linux') return { skip: 'the image is made on Linux, of its own libraries' }
  const tag = digestOfInputs().slice(0, 12)
  const name = `localhost/convoke:${tag}`
  const folder = join(root, '.cache', 'image')
  const archive = join(folder, `${tag}.tar`)
  const made = globSync('*.tar', { cwd: folder })
  if (made.includes(basename(archive))) return { name, archive }
  mkdirSync(folder, { recursive: true })
  const files = mkdtempSync(join(tmpdir(), 'convoke-image-'))
  try {
    // A process of its own: vitest would take the bundler's modules through its own.
    execFileSync(process.execPath, [join(root, 'image', 'build.ts'), files], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')
    await writeArchive(
      {
        name,
        layers: ['system', 'convoke'].map((layer) => join(files, layer)),
        config: configOf(dockerfile),
        architecture: architectures[arch()]!,
      },
      archive,
    )
  } finally {
    rmSync(files, { recursive: true })
  }
  // 200 MB each.
  for (const old of made) rmSync(join(folder, old), { force: true })
  return { name, archive }
}

/** Of the sources, of the packages, of how the image is made, and of the system's libraries. */
function digestOfInputs(): string {
  const hash = createHash('sha256')
  const sources = '{cli,compiler,crds,jobs,operator,image}/**/*'
  const files = globSync([sources, 'Dockerfile', 'package.json', 'package-lock.json'], {
    cwd: root,
    withFileTypes: true,
  })
  const paths = files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name))
  for (const path of paths.sort()) hash.update(path.slice(root.length)).update('\0').update(readFileSync(path))
  hash.update(process.version).update(execFileSync('ldd', ['--version']))
  return hash.digest('hex')
}

/** What the last stage of a Dockerfile says of the image, for those of its instructions that ours has. */
export function configOf(dockerfile: string): Record<string, unknown> {
  const stage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM ') + 1)
  const instructions = [...stage.matchAll(/^([A-Z]+) (.*)$/gm)].map(([, name, value]) => [name!, value!] as const)
  const of = (name: string): string[] => instructions.flatMap(([other, value]) => (other === name ? [value] : []))
  const defaults = Object.fromEntries(of('ARG').map((text) => text.split('=')))
  const pairs = (name: string): [string, string][] =>
    of(name).map((text) => {
      const [key, value] = text.split(/=(.*)/s)
      return [key!, JSON.parse(value!).replace(/\$(\w+)/g, (_: string, argument: string) => defaults[argument])]
    })
  return {
    Entrypoint: JSON.parse(of('ENTRYPOINT')[0]!),
    Env: pairs('ENV').map(([key, value]) => `${key}=${value}`),
    Labels: Object.fromEntries(pairs('LABEL')),
    User: of('USER')[0],
    WorkingDir: of('WORKDIR')[0],
  }
}
